"""Names in stored lakes must not change: Glue tables and views have them."""

from __future__ import annotations

import pytest

from anomalake.query.names import column_names, detector_names

LIVE, SCORES = ("{}",), ("{}", "{}anomalymetricvalue", "{}groupscore")
ARN = "arn:{}:lookoutmetrics:{}:1:AnomalyDetector:{}"


@pytest.mark.parametrize(
    ("reserved", "expected"),
    [
        ((), {"": "__", "_": "_"}),
        ((), {"__": "__"}),
        ((), {"_": "_", "__": "__", "___": "___"}),
        ((), {"a__": "a__", "a__b": "a__b"}),
        ((), {"A__": "a____0", "a__": "a____"}),
        ((), {"PLATFORM": "platform__0_1_2_3_4_5_6_7", "Platform": "platform__0", "platform": "platform"}),
        ((), {"A_B": "a_b__0_2", "a b": "a_b__1x20", "a-b": "a_b__1x2d", "a_b": "a_b"}),
        ((), {"X_by_day": "x_by_day__0", "by_day": "by_day", "x_by_day": "x_by_day__"}),
        ((), {"e": "e", "É": "___0xc9", "é": "___0xe9"}),
        (("ab__1",), {"Ab": "ab__0", "aB": "ab__1__", "ab": "ab"}),
        (("timestamp",), {"Timestamp": "timestamp__0", "timestamp": "timestamp__"}),
        (("timestamp", "timestamp__", "timestamp____"), {"timestamp": "timestamp______"}),
    ],
)
def test_names_of_columns_do_not_change(reserved: tuple[str, ...], expected: dict[str, str]) -> None:
    assert column_names(expected, reserved, LIVE) == {name: (column,) for name, column in expected.items()}


@pytest.mark.parametrize(
    ("reserved", "expected"),
    [
        ((), {"views": "views__", "viewsgroupscore": "viewsgroupscore__"}),
        (
            (),
            {
                "Views": "views__0",
                "ViewsGroupScore": "viewsgroupscore__0_5_10",
                "views": "views__",
                "viewsgroupscore": "viewsgroupscore__",
            },
        ),
        (("revenue",), {"Revenue": "revenue__0", "revenue": "revenue__"}),
    ],
)
def test_names_of_columns_of_measures_do_not_change(reserved: tuple[str, ...], expected: dict[str, str]) -> None:
    assert column_names(expected, reserved, SCORES) == {
        name: tuple(template.format(column) for template in SCORES) for name, column in expected.items()
    }


@pytest.mark.parametrize(
    "expected",
    [
        {ARN.format("aws", "us-east-1", "orders"): "orders", ARN.format("aws", "us-east-1", "Orders"): "orders__0"},
        {
            ARN.format("aws", "us-east-1", "orders"): "orders_us_east_1_1__6x40_9x2d_14x2d_16x40",
            ARN.format("aws", "eu-west-1", "orders"): "orders_eu_west_1_1__6x40_9x2d_14x2d_16x40",
        },
        {
            ARN.format("aws", "us-east-1", "orders"): "orders_aws_us_east_1_1__6x40_10x40_13x2d_18x2d_20x40",
            ARN.format("aws-cn", "us-east-1", "orders"): (
                "orders_aws_cn_us_east_1_1__6x40_10x2d_13x40_16x2d_21x2d_23x40"
            ),
        },
    ],
)
def test_names_of_detectors_do_not_change(expected: dict[str, str]) -> None:
    assert detector_names(expected) == expected


@pytest.mark.parametrize(
    ("reserved", "expected"),
    [
        ((), {"": "__", "__": "____"}),
        (("timestamp",), {"timestamp": "timestamp__", "timestamp__": "timestamp____"}),
        ((), {"a b": "a_b__1x20", "a_b__1x20": "a_b__1x20__"}),
        ((), {"A": "a__0", "a": "a", "a__0": "a__0__"}),
    ],
)
def test_names_that_clash_at_every_level_get_the_first_free_columns(
    reserved: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert column_names(expected, reserved) == {name: (column,) for name, column in expected.items()}

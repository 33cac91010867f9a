"""Names in SQL can be decoded, so different names have different names in SQL."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anomalake.query.names import column_names, detector_names, original_name, sql_name

SAFE = re.compile(r"[a-z0-9_]+")
TRICKY = st.text(alphabet="aAbB_-019xuh@ é🙂", max_size=40)
# Names like those that `sql_name` returns, so that they clash with them.
ENCODED = st.builds(
    lambda stem, suffix, ending: stem + suffix + ending,
    st.sampled_from(["", "a", "A", "aB", "AB", "a b", "timestamp", "views"]),
    st.sampled_from(["", "_", "__", "____", "__0", "__1", "__0_1", "__1x20"]),
    st.sampled_from(["", "__", "____", "groupscore"]),
)
DETECTORS = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}", fullmatch=True)
TEMPLATES = ("{}", "{}anomalymetricvalue", "{}groupscore")


@given(TRICKY | st.text(max_size=60) | DETECTORS)
@example("a__b")
@example("a__4_7")
@example("A-" * 31 + "B")
@example("x_by_day")
@example("by_day")
@example("")
@example("\ud800")
def test_every_name_is_valid_in_sql_and_can_be_decoded(name: str) -> None:
    safe = sql_name(name)
    assert SAFE.fullmatch(safe)
    assert len(safe) <= 220
    assert not f"_{safe}".endswith("_by_day")
    assert "__h" in safe or original_name(safe) == name


@given(st.text(alphabet="abux_0123456789", max_size=30))
def test_decoding_returns_a_name_that_encodes_to_the_same_text_or_none(safe: str) -> None:
    name = original_name(safe)
    assert name is None or sql_name(name) == safe


@given(DETECTORS)
def test_detector_names_of_any_length_can_be_decoded(name: str) -> None:
    assert original_name(sql_name(name)) == name


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("12"), DETECTORS | st.just("orders"))
    )
)
def test_detectors_have_different_names(parts: list[tuple[str, str, str, str]]) -> None:
    arns = {
        f"arn:{partition}:l4m:{region}:{account}:AnomalyDetector:{name}" for partition, region, account, name in parts
    }
    names = detector_names(arns)
    assert set(names) == arns
    assert len(set(names.values())) == len(arns)
    assert all(SAFE.fullmatch(name) for name in names.values())


@given(
    st.sets(
        TRICKY | st.sampled_from(["timestamp", "Timestamp", "views", "viewsgroupscore", "Views", "a__b"]), max_size=8
    ),
    st.sampled_from([(), ("timestamp", "key", "views")]),
    st.sampled_from([("{}",), TEMPLATES]),
)
@example({"", "__"}, (), ("{}",))
@example({"", "__", "____"}, ("__",), TEMPLATES)
def test_columns_have_different_names(names: set[str], reserved: tuple[str, ...], templates: tuple[str, ...]) -> None:
    columns = column_names(names, reserved, templates)
    all_columns = [column for name_columns in columns.values() for column in name_columns]
    assert set(columns) == names
    assert len(set(all_columns)) == len(all_columns)
    assert not set(all_columns) & set(reserved)
    assert all(SAFE.fullmatch(column) for column in all_columns)
    assert columns == column_names(sorted(names, reverse=True), reserved, templates)


@given(
    st.sets(ENCODED, max_size=12), st.sets(ENCODED.map(str.lower), max_size=6), st.sampled_from([("{}",), TEMPLATES])
)
@example({"timestamp", "timestamp__"}, {"timestamp"}, ("{}",))
@example({"a b", "a_b__1x20"}, set(), ("{}",))
def test_names_like_encoded_names_have_different_columns(
    names: set[str], reserved: set[str], templates: tuple[str, ...]
) -> None:
    columns = column_names(names, reserved, templates)
    all_columns = [column for name_columns in columns.values() for column in name_columns]
    assert list(columns) == sorted(names)
    assert len(set(all_columns)) == len(all_columns) == len(names) * len(templates)
    assert reserved.isdisjoint(all_columns)


@given(st.sets(ENCODED | TRICKY, max_size=8), st.randoms(use_true_random=False), st.sampled_from([("{}",), TEMPLATES]))
@example({"", "__"}, Random(0), ("{}",))
def test_columns_depend_only_on_the_set_of_names(names: set[str], random: Random, templates: tuple[str, ...]) -> None:
    columns = column_names(names, {"a", "a__"}, templates)
    for _ in range(3):
        shuffled = random.sample(sorted(names), len(names))
        assert column_names([*shuffled, *shuffled], ("a__", "a"), templates) == columns


@given(st.sets(ENCODED | TRICKY, max_size=8), st.sampled_from([("{}",), TEMPLATES]))
@example({"", "__"}, ("{}",))
def test_a_name_without_clashes_does_not_change_other_columns(names: set[str], templates: tuple[str, ...]) -> None:
    zebra = {"zebra": tuple(template.format("zebra") for template in templates)}
    assert column_names(names | {"zebra"}, (), templates) == column_names(names, (), templates) | zebra


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("orders", "orders"),
        ("007", "007"),
        ("testBugBash", "testbugbash__4_7"),
        ("my-detector", "my_detector__2x2d"),
        ("a__b", "a__b__"),
    ],
)
def test_encoded_names_are_readable(name: str, safe: str) -> None:
    assert sql_name(name) == safe


def test_columns_are_names_in_lower_case_if_they_do_not_clash() -> None:
    assert column_names(["colorCode", "Market_1"]) == {"colorCode": ("colorcode",), "Market_1": ("market_1",)}
    assert column_names(["Platform", "platform"]) == {"Platform": ("platform__0",), "platform": ("platform",)}
    assert column_names(["timestamp"], {"timestamp"}) == {"timestamp": ("timestamp__",)}
    assert column_names(["a b"], {"a_b__1x20"}) == {"a b": ("a_b__1x20__",)}
    assert column_names(["revenue"], (), TEMPLATES) == {
        "revenue": ("revenue", "revenueanomalymetricvalue", "revenuegroupscore")
    }

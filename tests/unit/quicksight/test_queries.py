"""SQL of the data sets, run on lakes: results have the columns of the data set, with their order and types."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from anomalake.alerts.documents import AlertDocument
from anomalake.api import LakeHandle, open_lake
from anomalake.definitions.metric_set import CsvFormat, MetricSet
from anomalake.lake.lake import Lake
from anomalake.local.duckdb_engine import DuckDBEngine
from anomalake.query.relations import Relations
from anomalake.quicksight import quicksight_template
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import alert, arn, write
from tests.support import made as made_alerts
from tests.support.quicksight import HOSTILE, Json, metric_set, resolved

OF_ARROW = {pa.float64(): "DECIMAL", pa.string(): "STRING", pa.large_string(): "STRING"}
RELATIONS = ("with_livedata", "with_dimensioncontributions", "anomalies")


def quicksight_type(type_: pa.DataType) -> str:
    """Return QuickSight's type for a type of a query's result; other types are errors."""
    return "DATETIME" if pa.types.is_timestamp(type_) else OF_ARROW[type_]


def data_sets(metric_set_: MetricSet) -> dict[str, Json]:
    """Return the custom SQL of each data set, by identifier."""
    result = {}
    for resource in resolved(quicksight_template(metric_set_)).values():
        if resource["Type"] == "AWS::QuickSight::DataSet":
            ((identifier, table),) = resource["Properties"]["PhysicalTableMap"].items()
            result[identifier] = table["CustomSql"]
    return result


def answer(folder: Path, sql: str) -> pa.Table:
    return DuckDBEngine(open_store(str(folder)), folder).query(sql)


def check(folder: Path, metric_set_: MetricSet) -> dict[str, int]:
    """Compare every data set with the result of its query; return the numbers of rows."""
    counts = {}
    for identifier, custom in data_sets(metric_set_).items():
        table = answer(folder, custom["SqlQuery"])
        declared = [(column["Name"], column["Type"]) for column in custom["Columns"]]
        assert [(field.name, quicksight_type(field.type)) for field in table.schema] == declared, identifier
        counts[identifier] = table.num_rows
    return counts


def with_source(folder: Path, metric_set_: MetricSet, rows: list[dict[str, str]]) -> MetricSet:
    """Write source rows to the folder of the lake and register them; return their metric set."""
    columns = [metric_set_.timestamp_column, *metric_set_.measures, *metric_set_.dimension_list]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    cell = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731
    lines = [",".join(map(cell, columns)), *(",".join(cell(row.get(column, "")) for column in columns) for row in rows)]
    (folder / "data" / "input.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = replace(
        metric_set_,
        historical_data_path_list=(str(folder / "data"),),
        file_format=CsvFormat(header_list=tuple(columns)),
    )
    open_lake(str(folder)).register_source(result)
    return result


def orders(folder: Path) -> LakeHandle:
    series = [({"marketplace": "it", "platform": "pc"}, "148.5"), ({"marketplace": "us", "platform": "app"}, "1e15")]
    return write(
        folder,
        [
            alert("e1", series=series, detector_arn=arn("orders")),
            alert("e2", "2021-02-14T05:00", metric="views", detector_arn=arn("orders")),
            alert("other", detector_arn=arn("others")),
        ],
    )


ORDERS = metric_set("orders", ("revenue", "views"), ("platform", "marketplace"))


def with_arn(metric_set_: MetricSet, name: str = "orders") -> MetricSet:
    return replace(metric_set_, detector_arn=arn(name))


def test_alerts_and_source(tmp_path: Path) -> None:
    orders(tmp_path)
    row = {
        "the time of it": "2021-02-14 04:00:00",
        "revenue": "3.25",
        "views": "7",
        "marketplace": "it",
        "platform": "pc",
    }
    source = with_source(tmp_path, with_arn(ORDERS), [row])
    counts = check(tmp_path, source)
    assert counts == {"values": 1, "contributions": 5, "anomalies": 3}
    values = answer(tmp_path, data_sets(source)["values"]["SqlQuery"]).to_pylist()[0]
    assert (values["revenue"], values["views"], values["revenueanomalymetricvalue"]) == (3.25, 7.0, 148.5)
    assert values["revenuegroupscore"] == 80.5


def test_alerts_without_a_source(tmp_path: Path) -> None:
    orders(tmp_path)
    counts = check(tmp_path, with_arn(ORDERS))
    assert (counts["values"], counts["anomalies"]) == (0, 3)


def test_a_source_without_alerts(tmp_path: Path) -> None:
    row = {"the time of it": "2021-02-14 04:00:00", "revenue": "1", "views": "2", "marketplace": "it", "platform": "pc"}
    source = with_source(tmp_path, with_arn(ORDERS), [row])
    assert check(tmp_path, source) == {"values": 1, "contributions": 0, "anomalies": 0}


def test_an_empty_lake(tmp_path: Path) -> None:
    assert check(tmp_path, with_arn(ORDERS)) == {"values": 0, "contributions": 0, "anomalies": 0}


def test_an_empty_lake_and_a_detector_without_dimensions(tmp_path: Path) -> None:
    assert check(tmp_path, with_arn(metric_set("totals", ("Total",)), "totals")) == {
        "values": 0,
        "contributions": 0,
        "anomalies": 0,
    }


@pytest.mark.parametrize("name", made_alerts.DETECTORS)
def test_generated_alerts(tmp_path: Path, name: str) -> None:
    documents = [AlertDocument(text, place=str(number)) for number, text in enumerate(made_alerts.texts(60))]
    Lake(open_store(str(tmp_path))).ingest(documents)
    arns = {json.loads(text)["anomalyDetectorArn"] for text in made_alerts.texts(60)}
    own = metric_set(
        name, ("revenue", "Views"), made_alerts.DETECTORS[name][1], timezone=made_alerts.DETECTORS[name][0]
    )
    own = replace(own, detector_arn=next(arn_ for arn_ in arns if arn_.endswith(f":{name}")))
    counts = check(tmp_path, own)
    assert counts["anomalies"] > 20
    assert counts["contributions"] >= counts["anomalies"]
    assert counts["values"] == 0
    if own.dimension_list:
        values = dict.fromkeys([*own.measures], "1.5") | dict.fromkeys(own.dimension_list, "NA")
        own = with_source(tmp_path, own, [{"the time of it": "2021-03-28 12:00:00", **values}])
        assert check(tmp_path, own)["values"] == 1


def test_hostile_names(tmp_path: Path) -> None:
    measures, dimensions = HOSTILE[::2], HOSTILE[1::2]
    name = "Hostile-name__x_by_day"
    series = [(dict.fromkeys(dimensions, "it's"), "1.5")]
    shares = [(dimension, "it's", 100) for dimension in dimensions]
    write(
        tmp_path,
        [
            alert(f"e{n}", metric=measure, series=series, shares=shares, detector_arn=arn(name))
            for n, measure in enumerate(measures)
        ],
    )
    own = replace(metric_set(name, measures, dimensions), detector_arn=arn(name))
    source = with_source(
        tmp_path,
        own,
        [
            {
                "the time of it": "2021-02-14 04:00:00",
                **dict.fromkeys(measures, "2"),
                **dict.fromkeys(dimensions, "it's"),
            }
        ],
    )
    counts = check(tmp_path, source)
    assert counts["values"] == 1
    assert counts["anomalies"] == len(measures)
    row = answer(tmp_path, data_sets(source)["values"]["SqlQuery"]).to_pylist()[0]
    assert [value for value in row.values() if value == 1.5] == [1.5] * len(measures), "each measure's anomalous value"
    assert [value for value in row.values() if value == 2] == [2] * len(measures), "each measure's live value"


def test_columns_are_in_the_order_of_the_relations(tmp_path: Path) -> None:
    orders(tmp_path)
    relations = Relations(open_store(str(tmp_path)))
    for custom, kind in zip(data_sets(with_arn(ORDERS)).values(), RELATIONS, strict=True):
        result = relations.find(f"{kind}_orders")
        assert result is not None
        assert [column["Name"] for column in custom["Columns"]] == result.columns()


def test_columns_and_types_of_the_replaced_pipeline() -> None:
    """An analysis that was written for the pipeline of the samples finds its fields."""
    shop = data_sets(metric_set("shop", ("views", "revenue"), ("platform", "marketplace")))
    score = dict.fromkeys(
        ["revenueanomalymetricvalue", "revenuegroupscore", "viewsanomalymetricvalue", "viewsgroupscore"], "DECIMAL"
    )
    both = {"timestamp": "DATETIME", "platform": "STRING", "marketplace": "STRING", **score}
    types = {
        identifier: {column["Name"]: column["Type"] for column in custom["Columns"]}
        for identifier, custom in shop.items()
    }
    assert types["values"].items() >= {**both, "views": "DECIMAL", "revenue": "DECIMAL"}.items()
    names = dict.fromkeys(["metricname", "dimensionname", "dimensionvalue"], "STRING")
    assert types["contributions"] == {**both, **names, "valuecontribution": "DECIMAL"}


def test_history_days_exclude_older_rows(tmp_path: Path) -> None:
    orders(tmp_path)
    template = quicksight_template(with_arn(ORDERS))
    short = resolved(template, HistoryDays=30)["AnomaliesDataSet"]["Properties"]
    ((_, table),) = short["PhysicalTableMap"].items()
    assert answer(tmp_path, table["CustomSql"]["SqlQuery"]).num_rows == 0

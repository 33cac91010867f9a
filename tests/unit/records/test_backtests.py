"""Records of a backtest."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from anomalake.groups.grouping import group
from anomalake.records import backtests
from anomalake.records.backtests import (
    GROUPS,
    JUDGEMENT,
    Backtest,
    backtest_key,
    judgement_from_parquet,
    read_backtest_group,
    read_backtest_groups,
    read_backtest_points,
    write_backtest,
)
from anomalake.records.errors import CorruptError, RecordError
from anomalake.storage.objects import memory_store
from tests.support.anomalies import ARN, judged


def example() -> Backtest:
    metrics, judgement = judged({("views", 0, 1): (0.0, 60.0), ("revenue", 1, 2): (0.0, 90.0)}, 4)
    return Backtest(metrics, judgement, group(metrics, judgement, ARN))


def test_a_backtest_survives_and_replaces_the_one_before() -> None:
    store, backtest = memory_store(), example()
    assert read_backtest_points(store, "shop") is None
    assert list(read_backtest_groups(store, "shop")) == []
    assert write_backtest(store, "shop", ARN, backtest)
    body = store.get(backtest_key("shop", JUDGEMENT))
    assert write_backtest(store, "shop", ARN, backtest)
    assert store.get(backtest_key("shop", JUDGEMENT)) == body
    assert tuple(read_backtest_groups(store, "shop")) == backtest.groups
    wanted = backtest.groups[1]
    assert read_backtest_group(store, "shop", wanted.group_id) == wanted
    assert read_backtest_group(store, "shop", "other") is None
    points = read_backtest_points(store, "shop")
    assert points is not None
    assert points.table.num_rows == backtest.observed.sum()
    assert points.about["detector_arn"] == ARN
    first = datetime.fromisoformat(f"{backtest.metrics.starts[0]}+00:00")
    assert points.about["first"] == points.table["time"].to_pylist()[0] == first.timestamp()
    np.testing.assert_allclose(points.table["value"].to_numpy(), backtest.metrics.flat[backtest.observed])


def test_more_points_than_the_limit_are_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    store, backtest = memory_store(), example()
    write_backtest(store, "shop", ARN, backtest)
    monkeypatch.setattr(backtests, "MOST_POINTS", 3)
    assert not write_backtest(store, "shop", ARN, backtest)
    assert read_backtest_points(store, "shop") is None
    assert tuple(read_backtest_groups(store, "shop")) == backtest.groups


def test_the_error_of_an_invalid_record_names_its_key() -> None:
    store = memory_store()
    for name in (JUDGEMENT, GROUPS):
        store.put(backtest_key("shop", name), b"x")
    with pytest.raises(CorruptError, match=r"backtest/judgement\.parquet: 1 bytes: .*expected a backtest"):
        read_backtest_points(store, "shop")
    with pytest.raises(RecordError, match=r"backtest/groups\.jsonl\.gz: .*expected gzipped lines"):
        list(read_backtest_groups(store, "shop"))
    with pytest.raises(CorruptError):
        judgement_from_parquet(b"")

"""Records of a backtest."""

from __future__ import annotations

import gzip
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
from anomalake.records.groups import to_json
from anomalake.storage.objects import memory_store
from tests.support.anomalies import ARN, group_of, judged, scored


def example() -> Backtest:
    metrics, judgement = judged({("views", 0, 1): (0.0, 60.0), ("revenue", 1, 2): (0.0, 90.0)}, 4)
    return Backtest.of(metrics, judgement, group(metrics, judgement, ARN))


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
    assert points.table.num_rows == backtest.n_points
    assert points.about["detector_arn"] == ARN
    first = datetime.fromisoformat(f"{backtest.metrics.starts[0]}+00:00")
    assert points.about["first"] == points.table["time"].to_pylist()[0] == first.timestamp()
    tested = backtest.metrics.flat[:, backtest.first :]
    np.testing.assert_allclose(points.table["value"].to_numpy(), tested[~np.isnan(tested)])


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


def test_a_group_is_found_with_its_place_without_it_and_with_a_wrong_one() -> None:
    store = memory_store()
    groups = tuple(group_of(scored(60.0, at=number)) for number in range(150))
    body = backtests.groups_to_lines(groups)
    store.put(backtest_key("shop", GROUPS), body)
    placed = backtests.read_placed_groups(store, "shop")
    assert tuple(one for _, one in placed) == groups == tuple(read_backtest_groups(store, "shop"))
    places = sorted({place for place, _ in placed})
    assert len(places) == 3
    for place, one in placed[::10]:
        for hint in (place, None, *places, len(body), 7, 10**9):
            assert read_backtest_group(store, "shop", one.group_id, hint) == one
    assert read_backtest_group(store, "shop", groups[0].group_id[:-1], places[1]) is None


def test_groups_in_one_member_as_earlier_versions_wrote_them_are_read() -> None:
    groups = tuple(group_of(scored(60.0, at=number)) for number in range(100))
    store = memory_store()
    body = gzip.compress(b"".join(to_json(one) + b"\n" for one in groups))
    store.put(backtest_key("shop", GROUPS), body)
    assert [place for place, _ in backtests.read_placed_groups(store, "shop")] == [0] * 100
    assert read_backtest_group(store, "shop", groups[99].group_id, 0) == groups[99]


@pytest.mark.parametrize("cut_at", [0, 10, 500, -1])
def test_groups_that_are_cut_off_are_refused(cut_at: int) -> None:
    body = backtests.groups_to_lines(group_of(scored(60.0, at=number)) for number in range(100))
    with pytest.raises(RecordError, match="expected gzipped lines"):
        list(backtests.groups_from_lines(body[:cut_at], "groups"))

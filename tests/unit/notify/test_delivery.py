"""Alerts are delivered once: retried, written down, and not sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from anomalake.aws.channels import LakeChannel
from anomalake.definitions.detector import AlertRule
from anomalake.lake.lake import Lake
from anomalake.notify.channel import ChannelError
from anomalake.notify.delivery import Delivery, RetryPolicy, counts, deliver, deliver_groups
from anomalake.notify.rules import Due
from anomalake.records.deliveries import Ledger, SentAlert
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoredObject, StoreError
from tests.support.anomalies import START, RecordingChannel, detector, group_of, interval, metric, rule, scored
from tests.support.stores import Killed, KillingStore, WrappedStore

BUSY = ChannelError("503: busy", retryable=True)
GONE = ChannelError("404: there is no such topic", retryable=False)
SILENT = ChannelError("no answer within 20 s", retryable=True, uncertain=True)

GROUP = group_of(scored(60))
DUE = Due(GROUP, GROUP.intervals[0])


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    @property
    def patience(self) -> RetryPolicy:
        return RetryPolicy(pauses=(1.0, 2.0), sleep=self.slept.append, now=lambda: START)


def send(
    channel: RecordingChannel | LakeChannel,
    store: ObjectStore,
    run: str = "r1",
    due: Due = DUE,
    watch: AlertRule | None = None,
) -> Delivery:
    return deliver(
        due,
        watch or rule(),
        detector(),
        channel,
        Ledger(store, "shop"),
        run=run,
        patience=Clock().patience,
    )


def ledger(store: ObjectStore) -> dict[str, dict[str, object]]:
    folder = f"detection/detector=shop/deliveries/watch/{GROUP.group_id}/20220115T040000Z/"
    return {item.key.removeprefix(folder): json.loads(store.get(item.key)) for item in store.list("")}


def test_a_delivered_alert_is_written_down_and_not_sent_again() -> None:
    store, channel = memory_store(), RecordingChannel()
    assert send(channel, store) == Delivery(
        "watch", f"{rule().arn}:event/{GROUP.group_id}", START, "delivered", attempts=1, text=channel.messages[0].text
    )
    assert send(channel, store, "r2").status == "repeated"
    assert len(channel.messages) == 1
    found = ledger(store)
    assert sorted(found) == ["0001-delivered.json", "0001-intent.json"]
    assert found["0001-intent.json"]["text"] == channel.messages[0].text
    assert found["0001-delivered.json"] == {
        "group_id": GROUP.group_id,
        "timestamp": "2022-01-15T04:00:00+00:00",
        "score": 60,
        "impact": 50.0,
        "affected": 1,
        "channel": "a channel",
        "attempts": 1,
        "at": "2022-01-15T04:00:00+00:00",
        "reason": "",
    }
    assert Ledger(store, "shop").sent("watch", [GROUP]) == {GROUP.group_id: (SentAlert.of(GROUP.intervals[0]),)}


def test_a_failing_channel_is_tried_again_after_longer_and_longer_pauses() -> None:
    clock, channel = Clock(), RecordingChannel(BUSY, BUSY)
    made = deliver(DUE, rule(), detector(), channel, Ledger(memory_store(), "d"), run="r", patience=clock.patience)
    assert (made.status, made.attempts, len(channel.messages)) == ("delivered", 3, 1)
    assert clock.slept == [1.0, 2.0]


def test_an_alert_that_does_not_go_through_is_undelivered_with_its_reason_and_tried_by_the_next_run() -> None:
    store, channel = memory_store(), RecordingChannel(BUSY, BUSY, BUSY)
    made = send(channel, store)
    assert (made.status, made.reason, made.attempts) == ("undelivered", "503: busy", 3)
    assert ledger(store)["0001-undelivered.json"]["reason"] == "503: busy"
    assert Ledger(store, "shop").sent("watch", [GROUP]) == {}
    late = Due(GROUP, interval([metric(1.0), metric(2.0, marketplace="de")]))
    assert send(channel, store, "r2", late).status == "delivered"
    assert [json.dumps(channel.messages[0].text)] == [json.dumps(ledger(store)["0001-intent.json"]["text"])]
    assert send(channel, store, "r3").status == "repeated"
    assert len(channel.messages) == 1


def test_what_will_never_go_through_is_not_tried_again_in_this_run() -> None:
    made = send(channel := RecordingChannel(GONE), memory_store())
    assert (made.status, made.attempts, made.reason) == ("undelivered", 1, "404: there is no such topic")
    assert channel.messages == []


def test_where_no_answer_came_people_are_not_told_twice() -> None:
    store, channel = memory_store(), RecordingChannel(SILENT)
    made = send(channel, store)
    assert (made.status, made.attempts) == ("undelivered", 1)
    assert made.reason == "no answer within 20 s; it may have arrived, and is not sent again"
    assert send(channel, store, "r2").status == "repeated"
    assert len(channel.messages) == 1


def test_where_no_answer_came_a_receiver_that_knows_repeats_gets_the_same_again() -> None:
    channel = RecordingChannel(SILENT, repeatable=True)
    assert send(channel, memory_store()).status == "delivered"
    assert len(channel.messages) == 2
    assert len(set(channel.messages)) == 1


def died_after_sending(channel: RecordingChannel | LakeChannel) -> ObjectStore:
    """A ledger of a run that was killed between the send and the record of it."""
    store = memory_store()
    with pytest.raises(Killed):
        send(channel, KillingStore(store, 1, after=False))
    assert list(ledger(store)) == ["0001-intent.json"]
    return store


def test_a_run_that_died_after_sending_leaves_people_in_doubt_and_says_so() -> None:
    store = died_after_sending(channel := RecordingChannel())
    made = send(channel, store, "r2")
    assert made.status == "undelivered"
    assert "ended before it could write down" in made.reason
    assert send(channel, store, "r3").status == "repeated"
    assert len(channel.messages) == 1
    assert "0001-in-doubt.json" in ledger(store)


def test_a_run_that_died_after_sending_sends_the_same_bytes_to_who_knows_repeats() -> None:
    store = died_after_sending(channel := RecordingChannel(repeatable=True))
    late = Due(GROUP, interval([metric(1.0), metric(2.0, marketplace="de")]))
    assert send(channel, store, "r2", late).status == "delivered"
    assert len(channel.messages) == 2
    assert len(set(channel.messages)) == 1


def test_a_lake_counts_what_a_dead_run_sent_as_a_repeat() -> None:
    lake = Lake(memory_store())
    ledger_store = memory_store()
    channel = LakeChannel(lake)
    with pytest.raises(Killed):
        send(channel, KillingStore(ledger_store, 1, after=False))
    before = {item.key: lake.store.get(item.key) for item in lake.store.list("")}
    assert len([key for key in before if key.startswith("originals/")]) == 1
    assert send(channel, ledger_store, "r2").status == "delivered"
    assert {entry.key: lake.store.get(entry.key) for entry in lake.store.list("")} == before


def test_the_run_that_knows_overrules_the_one_in_doubt() -> None:
    store, channel = memory_store(), RecordingChannel()

    class Meanwhile(RecordingChannel):
        def send(self, message: object) -> None:
            assert send(channel, store, "r2").status == "undelivered"

    assert send(Meanwhile(), store).status == "delivered"
    assert {"0001-in-doubt.json", "0001-delivered.json"} <= set(ledger(store))
    assert send(channel, store, "r3").status == "repeated"
    assert channel.messages == []


class Broken(WrappedStore):
    """Fails in every call of some kinds."""

    def __init__(self, store: ObjectStore, *calls: str) -> None:
        super().__init__(store)
        self._calls = calls

    def _before(self, call: str) -> None:
        if call in self._calls:
            raise StoreError("503 SlowDown")

    def list(self, folder: str) -> Iterator[StoredObject]:
        self._before("list")
        return super().list(folder)


@pytest.mark.parametrize("call", ["list", "put_new"])
def test_without_a_ledger_nothing_is_sent(call: str) -> None:
    made = send(channel := RecordingChannel(), Broken(memory_store(), call))
    assert (made.status, channel.messages) == ("undelivered", [])
    assert made.reason == "nothing was sent, for the ledger does not answer: 503 SlowDown"


def test_a_delivery_that_cannot_be_written_down_is_delivered_and_says_so() -> None:
    store = memory_store()
    made = send(channel := RecordingChannel(), Broken(store, "put"))
    assert (made.status, len(channel.messages)) == ("delivered", 1)
    assert made.reason == "this could not be written down: 503 SlowDown"


def test_of_two_runs_at_once_one_sends() -> None:
    store, channel = memory_store(), RecordingChannel()

    class Race(WrappedStore):
        """Another run announces itself after this one has looked."""

        def _before(self, call: str) -> None:
            if call == "put_new":
                send(channel, store, "other")

    made = send(channel, Race(store))
    assert (made.status, made.reason, len(channel.messages)) == ("repeated", "another run sends it", 1)


def test_an_alert_that_cannot_be_made_small_enough_is_undelivered() -> None:
    made = send(RecordingChannel(most_bytes=100), memory_store())
    assert made.status == "undelivered"
    assert "expected at most 100" in made.reason


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"text": 7}'], ids=["empty", "list", "bare", "bytes", "7"]
)
def test_a_damaged_ledger_stops_nothing(body: bytes) -> None:
    store, channel = memory_store(), RecordingChannel(repeatable=True)
    send(channel, store)
    for item in list(store.list("")):
        store.put(item.key, body)
    assert Ledger(store, "shop").sent("watch", [GROUP]) == {GROUP.group_id: (SentAlert(START, 0.0, 0.0, 0),)}
    assert send(channel, store, "r2").status == "repeated"
    store.delete([entry.key for entry in store.list("") if entry.key.endswith("delivered.json")])
    assert send(channel, store, "r3").status == "delivered"


def test_a_name_that_is_a_path_stays_below_its_folder() -> None:
    store = memory_store()
    send(RecordingChannel(), store, watch=rule(name="../../../x"))
    folders = {item.key.split("/")[3] for item in store.list("detection/detector=shop/deliveries")}
    assert len(folders) == 1
    assert folders.pop().startswith("sha256-")


def test_a_lasting_group_is_delivered_as_it_grows_and_counted_by_alert() -> None:
    whole = group_of(scored(60), scored(65, 1), scored(75, 2))
    store, channel = memory_store(), RecordingChannel(None, GONE)
    made = []
    for at, item in enumerate(whole.intervals):
        known = whole.until(item.timestamp + timedelta(seconds=1))
        assert known is not None
        made += deliver_groups(
            [known],
            rule(),
            detector(),
            channel,
            Ledger(store, "d"),
            run=str(at),
            since=item.timestamp,
            patience=Clock().patience,
        )
    assert [(entry.timestamp.hour, entry.status) for entry in made] == [(4, "delivered"), (6, "undelivered")]
    assert counts(made) == {"watch": {"delivered": 1, "undelivered": 1}}
    assert counts([send(RecordingChannel(), memory_store())]) == {"watch": {"delivered": 1, "undelivered": 0}}


def test_alerts_of_two_rules_are_two_alerts() -> None:
    store, channel = memory_store(), RecordingChannel()
    other = rule(name="other", arn=rule().arn.replace("watch", "other"))
    assert [send(channel, store, watch=item).status for item in (rule(), other)] == ["delivered", "delivered"]
    assert len(set(channel.messages)) == 2

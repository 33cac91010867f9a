"""Files in a stream: joined JSON, lists, lines and compressed data, each with limits that harm no neighbour."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument, Refusal, read_alert, read_file
from anomalake.alerts import files as reader
from anomalake.alerts.bounds import FileLimits
from anomalake.alerts.values import MOST_INVALID
from tests.support import made

ALERTS = [json.dumps(made.alert(seed)) for seed in range(6)]
PRETTY = [json.dumps(made.alert(seed), indent=2) for seed in range(6)]


def read(body: Any, name: str = "a.json", **limits: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """The bodies that are alerts, and the places of the others with the values that were refused."""
    good: list[str] = []
    refused: list[tuple[str, str]] = []
    for document in read_file(name, body, limits=FileLimits(**limits)):
        assert isinstance(document, AlertDocument)
        try:
            read_alert(document)
        except Refusal as refusal:
            refused.append((refusal.place, refusal.value))
        else:
            assert isinstance(document.body, str)
            good.append(document.body)
    return good, refused


@pytest.fixture
def small_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognise the form of a file from few bytes, so that a small one is read in a stream."""
    monkeypatch.setattr(reader, "HEAD", 64)


def in_blocks(text: str, size: int = 1_000) -> Iterator[bytes]:
    body = text.encode()
    return (body[at : at + size] for at in range(0, len(body), size))


FORMS = {
    "joined": "".join(ALERTS),
    "joined with blanks": "  ".join(ALERTS) + " ",
    "joined in several lines": "".join(ALERTS[:2]) + "\n" + "".join(ALERTS[2:4]) + "\n" + "".join(ALERTS[4:]),
    "pretty-printed and joined": "".join(PRETTY),
    "pretty-printed in a sequence": "\n".join(PRETTY),
    "a list": "[" + ",".join(ALERTS) + "]",
    "a pretty-printed list": "[\n" + ",\n".join(PRETTY) + "\n]\n",
    "lists": f"[{ALERTS[0]},{ALERTS[1]}][{ALERTS[2]}]\n[]{ALERTS[3]}[{ALERTS[4]}, {ALERTS[5]}]",
    "lines": "\n".join(ALERTS),
    "lines with blank ones": "\n\n" + "\r\n\n".join(ALERTS) + "\n \n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "2021-stream-1"])
def test_alerts_in_any_form_are_read(form: str, name: str) -> None:
    body = FORMS[form].encode()
    good, refused = read(gzip.compress(body) if name.endswith(".gz") else body, name)
    assert [json.loads(text) for text in good] == [json.loads(text) for text in ALERTS]
    assert refused == []


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 2**32))
def test_a_stream_in_blocks_of_any_size_is_read_as_the_whole(form: str, seed: int) -> None:
    body = FORMS[form].encode()
    chosen = random.Random(seed)

    def blocks() -> Iterator[bytes]:
        at = 0
        while at < len(body):
            size = chosen.choice([1, 2, 7, 100, 3000])
            yield body[at : at + size]
            at += size

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "HEAD", chosen.choice([1, 64, 10_000]))
        good, refused = read(blocks())
    assert [json.loads(text) for text in good] == [json.loads(text) for text in ALERTS]
    assert refused == []


def test_joined_values_are_told_apart_by_their_number() -> None:
    _, refused = read(f'{ALERTS[0]}{{"a": 1}}{ALERTS[1]}7'.encode())
    assert refused == [("a.json value 2", "an object with 'a'"), ("a.json value 4", "7")]


@pytest.mark.parametrize(
    ("body", "n_good", "places"),
    [
        (f"{ALERTS[0]}{{bad\n{ALERTS[1]}", 2, ["a.json value 2"]),
        (f"{{bad\n{PRETTY[0]}\n{{cut off\n{ALERTS[1]}{ALERTS[2]}", 3, ["a.json value 1", "a.json value 3"]),
        (f'{ALERTS[0]}{{"a": 1, "a": 2}}{ALERTS[1]}', 2, ["a.json value 2"]),
        (f'[{ALERTS[0]}, {{"a": 1, "a": 2}}, {{"a": NaN}}, {ALERTS[1]}]', 2, ["a.json[1]", "a.json[2]"]),
        (f"[{ALERTS[0]}, {ALERTS[1]}", 2, ["a.json[2]"]),
        (f"[{ALERTS[0]} {ALERTS[1]}]", 1, ["a.json[1]"]),
        (f"[{ALERTS[0]}, nonsense, {ALERTS[1]}]", 1, ["a.json[1]"]),
        (f"{ALERTS[0]},{ALERTS[1]}", 1, ["a.json value 2"]),
        ("time,value\n2021-01-01,5\n2021-01-02,6\n", 0, ["a.json"]),
        ('{\n "a": {\n  "b": [1,\n 2\n  }\n }\n}\n', 0, ["a.json"]),
    ],
)
@pytest.mark.parametrize("head", [64, 10**6])
def test_what_is_not_json_harms_no_value_before_it_and_none_in_a_later_line(
    body: str, n_good: int, places: list[str], head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "HEAD", head)
    good, refused = read(body.encode())
    assert len(good) == n_good
    assert [place for place, _ in refused] == places


def test_bytes_that_are_not_text_harm_only_their_value(small_head: None) -> None:
    bad = ALERTS[1].encode().replace(b"lookoutmetrics", b"\xff\xfe")
    for body in (
        b"".join([ALERTS[0].encode(), bad, ALERTS[2].encode()]),
        b"[" + bad + b"," + ALERTS[2].encode() + b"]",
    ):
        good, [(_, value)] = read(body)
        assert value.startswith("byte 0xff at ")
        assert good[-1] == ALERTS[2]


def test_the_search_for_values_after_errors_ends() -> None:
    good, refused = read(b"{bad\n" * (3 * MOST_INVALID) + ALERTS[0].encode())
    assert good == []
    assert len(refused) == MOST_INVALID


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_line_that_is_too_long_is_refused_with_its_beginning(name: str) -> None:
    long = '{"padding": "' + "x" * 9_000 + '"}'
    body = "\n".join([ALERTS[0], ALERTS[1], long, ALERTS[2]]).encode()
    documents = list(read_file(name, body, limits=FileLimits(record_bytes=8_000)))
    assert [document.place for document in documents] == [f"{name}:{number}" for number in (1, 2, 3, 4)]
    [refused] = [item for item in documents if isinstance(item, AlertDocument) and item.is_beginning]
    assert refused.body == long[:4096].encode()
    assert str(refused.refusal) == f"{name}:3: $: a line of more than 8,000 bytes: expected at most 8,000"


def test_a_value_that_is_too_large_is_refused_with_its_beginning(small_head: None) -> None:
    long = '{"padding": "' + "x" * 9_000 + '"}'
    good, refused = read(in_blocks(f"{PRETTY[0]}{long}\n{ALERTS[1]}"), record_bytes=8_000)
    assert good == [PRETTY[0], ALERTS[1]]
    assert refused == [("a.json value 2", "a value of more than 8,000 characters")]
    good, refused = read(in_blocks(f"[{ALERTS[0]}, {long}, {ALERTS[1]}]"), record_bytes=8_000)
    assert good == ALERTS[:1]
    assert refused == [("a.json[1]", "a value of more than 8,000 characters")]


@pytest.mark.parametrize("form", ["lines", "joined", "a list"])
def test_what_is_beyond_the_bytes_of_a_file_is_refused(form: str, small_head: None) -> None:
    body = FORMS[form].encode()
    most = len(ALERTS[0]) + len(ALERTS[1]) + 10
    for file in (body, gzip.compress(body)):
        good, refused = read(iter([file]), n_bytes=most)
        # A file in one block is refused as a whole.
        assert len(good) in (0, 2)
        assert [value for _, value in refused] == [f"more than {most:,} bytes"]


@pytest.mark.parametrize("body", ["\n".join(ALERTS), "".join(ALERTS), "[" + ",".join(ALERTS) + "]", "[[],[],[],[],[]]"])
def test_records_beyond_the_number_of_a_file_are_refused(body: str) -> None:
    good, refused = read(body.encode(), n_records=4)
    assert good in (ALERTS[:4], [])
    assert [value for _, value in refused] == ["more than 4 records"]


def test_several_compressed_members_are_one_file() -> None:
    members = [gzip.compress(f"{text}\n".encode()) for text in ALERTS]
    assert read(b"".join(members) + b"\x00" * 512, "a.jsonl.gz") == (ALERTS, [])
    empty = gzip.compress(b"")
    assert read(iter([empty * 50, members[0], empty, members[1][:9], members[1][9:]])) == (ALERTS[:2], [])


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.gz"])
def test_a_damaged_archive_is_read_as_far_as_possible(name: str) -> None:
    first = gzip.compress("\n".join(ALERTS[:3]).encode() + b"\n", compresslevel=0)
    for damaged, found in (
        (first + gzip.compress(ALERTS[3].encode())[:-30], "gzip data that are cut off"),
        (first + b"junk", "damaged gzip data (incorrect header check)"),
        (first[:-3], "gzip data that are cut off"),
    ):
        good, refused = read(damaged, name)
        assert good == ALERTS[:3]
        assert [value for _, value in refused] == [found]


BOMBS = {
    "zeros": [b"0" * 2**20] * 64,
    "blanks": [b" " * 2**20] * 64,
    "one text": [b'{"a": "'] + [b"x" * 2**20] * 64 + [b'"}'],
    "nested": [b"[" * 2**20] * 64,
    "a long line": [ALERTS[0].encode(), b'\n{"a": "'] + [b"x" * 2**20] * 64 + [b'"}\n', ALERTS[1].encode()],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_expands_takes_little_memory(name: str) -> None:
    packed = gzip.compress(b"".join(BOMBS[name]))
    assert len(packed) < 100_000
    limits = FileLimits(record_bytes=2**20)
    tracemalloc.start()
    try:
        good = [item for item in read_file("a.gz", packed, limits=limits) if not getattr(item, "is_beginning", False)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20
    assert len(good) == (2 if name == "a long line" else 0)

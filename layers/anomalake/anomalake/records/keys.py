"""Folder layout of the records in a lake (docs/adr/0005, 0006).

Below ``detection/detector=NAME/``, for each detector:

===========================================  =======================================  ==============
Key                                          Content                                  Module
===========================================  =======================================  ==============
``versions/VERSION.json``                    a version of the detector file           versions
``executions/START/RUN.json``                a run of an interval                     executions
``last-runs/STATUS.json``                    the last run that ended with a status    executions
``version=VERSION/intervals/START.parquet``  observed values and their judgement      intervals
``version=VERSION/models/START.npz``         a model                                  models
``version=VERSION/histories/START.npz``      the history that it was fitted on        models
``version=VERSION/states/START.npz``         state of the filter after an interval    models
``version=VERSION/blocks/KIND/START/…npz``    parts of a model, state or history       model_blocks
``groups/GROUP/START.json``                  a group's part in an interval            groups
``group-index/NNNNNNNN.parquet``             all parts of groups, of the backtest     group_index
                                             too; the highest number counts
``group-index/changes/HEX.json``             a change of groups                       group_changes
``deliveries/ALERT/GROUP/START/…``           rounds of attempts to deliver an alert:  deliveries
``…/NNNN-intent.json``                       begin of round NNNN                      deliveries
``…/NNNN-STATUS.json``                       end of round NNNN                        deliveries
``undelivered/START``                        an interval to deliver again             deliveries
``feedback/SERIES/START-GIVEN.json``         feedback on a metric in an interval      feedback
``snoozes/HASH.json``                        a snooze                                 snoozes
``comments/GROUP/GIVEN-HASH.json``           a comment on a group                     comments
``about-HASH.json``                          owner, runbook and note of a detector    about
``backtest/judgement.parquet``               points of the last backtest              backtests
``backtest/groups.jsonl.gz``                 groups of the last backtest              backtests
``backtest/alerts.jsonl.gz``                 its alerts in the lake                   backtests
``backtest/data-quality.json``               quality of its history                   data_quality
``backtest/unfinished/HASH.jsonl.gz``        groups of a backtest that is written     backtests
``backtest-jobs/ID/NNNNNNNN.json``           a backtest job; the highest number is it backtest_jobs
``backtest-steps/ID/…``                      what an unfinished job has stored        backtest_steps
===========================================  =======================================  ==============

START and GIVEN are stamps: instants in UTC as ``YYYYMMDDTHHMMSSZ``, so that keys sort by time. START is the start of
an interval; for a model and its history, of the first interval that the model judges.

Elsewhere in the lake: ``sources/NAME-HASH.json`` is the metric set of a detector (`metric_sets`);
``columns/detector=NAME/HASH/NNNN.json`` gives names their columns in queries (`columns`);
``definitions/detector=NAME/NNNNNNNN.json`` is the definition of a detector that the API knows, and
``alert-names/alert=NAME/NNNNNNNN.json`` is the detector of an alert (`definitions`; NNNNNNNN: `numbered`);
``detection/work/STAMP-HEX/…`` is what the tasks of a running call exchange (`work`);
``originals/``, ``tables/``, ``shapes/``, ``set-aside/``, ``superseded/`` and ``lake.json`` are the alerts and the
lake's settings (`anomalake.lake.layout`). Detector files, ``NAME.yaml``, ``NAME.yml`` or ``NAME.json``, have a folder
of their own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from anomalake.definitions.metric_set import NAME
from anomalake.records.errors import RecordInputError
from anomalake.storage.store import ObjectStore

DETECTION = "detection"

#: Endings of detector files.
DETECTOR_FILE_ENDINGS = (".yaml", ".yml", ".json")

_STAMP = "%Y%m%dT%H%M%SZ"
_DETECTOR_FILE = re.compile(rf"(?P<name>{NAME.pattern})({'|'.join(map(re.escape, DETECTOR_FILE_ENDINGS))})")


def stamp(instant: datetime) -> str:
    """Return an instant as a part of a key: ``YYYYMMDDTHHMMSSZ``, UTC."""
    return instant.astimezone(UTC).strftime(_STAMP)


def parse_stamp(text: str) -> datetime:
    """Return the instant of a stamp; raises ValueError."""
    return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)


def detector_folder(name: str) -> str:
    """Return the folder of a detector's records; raises `RecordInputError` for an invalid name."""
    return f"{DETECTION}/detector={_checked(name)}"


def parse_detector(key: str) -> str | None:
    """Return the name of the detector in whose folder a key is; None for any other key."""
    match = _BELOW_DETECTOR.fullmatch(key)
    return match["detector"] if match is not None else None


def version_folder(name: str, version: str) -> str:
    """Return the folder of the records that depend on one version of a detector file."""
    return f"{detector_folder(name)}/version={version}"


def key_pattern(path: str) -> re.Pattern[str]:
    """Compile the pattern of keys below a detector's folder.

    Parameters
    ----------
    path
        A regular expression for the rest of the key; ``{stamp}`` is replaced by a group named ``start``.
    """
    rest = path.replace("{stamp}", r"(?P<start>\d{8}T\d{6}Z)")
    return re.compile(rf"{DETECTION}/detector=(?P<detector>{NAME.pattern})/{rest}")


_BELOW_DETECTOR = key_pattern(".+")


class StampedKey(NamedTuple):
    """Match of a key that has a stamp, and the instant of the stamp."""

    match: re.Match[str]
    start: datetime


def match_key(pattern: re.Pattern[str], key: str) -> StampedKey | None:
    """Match a key with a pattern that has a stamp; None where it does not match or the stamp is no time."""
    match = pattern.fullmatch(key)
    if match is None:
        return None
    try:
        return StampedKey(match, parse_stamp(match["start"]))
    except ValueError:
        return None


def starts_in(store: ObjectStore, folder: str, ending: str = "") -> list[datetime]:
    """List the stamps of the objects in a folder, in ascending order; raises `StoreError`."""
    names = (entry.key.rsplit("/", 1)[1] for entry in store.list(folder))
    return sorted(parse_stamp(name.removesuffix(ending)) for name in names if name.endswith(ending))


def detector_file_keys(name: str) -> tuple[str, ...]:
    """Return the keys that a detector's file may have; raises `RecordInputError` for an invalid name."""
    return tuple(_checked(name) + ending for ending in DETECTOR_FILE_ENDINGS)


def parse_detector_file_key(key: str) -> str | None:
    """Return the name of the detector whose file has a key; None for any other key."""
    match = _DETECTOR_FILE.fullmatch(key.rsplit("/", 1)[-1])
    return match["name"] if match is not None else None


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise RecordInputError(f"detector {name!r}: expected 1 to 63 of A-Z a-z 0-9 _ -")
    return name

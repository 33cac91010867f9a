"""Layout of a lake: keys and folders (docs/adr/0001). Every key on an alert's path is computed from the alerts."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from anomalake.alerts import Alert, CausesDocument, Withdrawal
from anomalake.lake.ports import Partition

ORIGINALS = "originals"
BULK_ORIGINALS = "originals/bulk"
SHAPES = "shapes"
SET_ASIDE = "set-aside"
SUPERSEDED = "superseded"
SETTINGS = "lake.json"

#: Folder and file ending of the physical table in each format.
TABLES = {"parquet": ("tables/alert_rows", ".parquet"), "csv": ("tables/alert_rows_csv", ".csv")}
#: Kind of file of the table of withdrawals, which has one format.
WITHDRAWALS = "withdrawals"
#: Kind of file of the table of causes, which has one format.
CAUSES = "causes"
#: Folder and ending of each kind of table file.
FILES = {**TABLES, WITHDRAWALS: ("tables/withdrawal_rows", ".parquet"), CAUSES: ("tables/cause_rows", ".parquet")}


def partition_of(alert: Alert) -> Partition:
    """The partition an alert's row belongs to."""
    return Partition(alert.detector, alert.day)


def partition_folder(table: str, partition: Partition) -> str:
    """Folder of one partition. `read_alert` accepts only detector names and dates that are safe in paths."""
    return f"{table}/detector={partition.detector}/day={partition.day}"


def partition_in(key: str) -> Partition | None:
    """The partition of a table file; None if the key is not one of a partition."""
    parts = key.split("/")
    if len(parts) < 3 or not parts[-3].startswith("detector=") or not parts[-2].startswith("day="):
        return None
    return Partition(parts[-3].removeprefix("detector="), parts[-2].removeprefix("day="))


def originals_folder(alert: Alert) -> str:
    """Folder of all originals with the identity of an alert."""
    return f"{partition_folder(ORIGINALS, partition_of(alert))}/{alert.alert_id}"


def original_key(alert: Alert) -> str:
    """Key of one original."""
    return f"{originals_folder(alert)}/{alert.digest[:16]}.json"


def bulk_key(alerts: Iterable[Alert]) -> str:
    """Key of a batch of originals."""
    return f"{BULK_ORIGINALS}/{_hash_of(alert.alert_id + alert.digest for alert in alerts)}.jsonl.gz"


def statement_key(statement: Withdrawal | CausesDocument) -> str:
    """Key of the original of a withdrawal or of a document of causes: equal for equal documents."""
    kind = WITHDRAWALS if isinstance(statement, Withdrawal) else CAUSES
    return f"{ORIGINALS}/{kind}/detector={statement.detector}/{statement.digest[:32]}.json"


def table_key(format_: str, partition: Partition, names: Iterable[str]) -> str:
    """Key of the file with the rows of these names: equal for equal rows."""
    table, ending = FILES[format_]
    return f"{partition_folder(table, partition)}/{_hash_of(names)}{ending}"


def fresh_table_key(format_: str, partition: Partition) -> str:
    """A new key that no file had before, for compaction and rebuild."""
    table, ending = FILES[format_]
    return f"{partition_folder(table, partition)}/merged-{uuid.uuid4().hex}{ending}"


def shape_key(detector: str, body: bytes) -> str:
    """Key of a shape: a measure of a detector, with its dimensions."""
    return f"{SHAPES}/detector={detector}/{hashlib.sha256(body).hexdigest()[:32]}.json"


def parse_shape_key(key: str) -> str | None:
    """Return the name of the detector whose shape has a key; None for any other key."""
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != SHAPES or not parts[1].startswith("detector="):
        return None
    return parts[1].removeprefix("detector=")


def set_aside_key(digest: str, n_records: int) -> str:
    """Key of the set-aside records of a delivery: equal for equal records. One record has no number in its key."""
    name = digest[:32]
    return (
        f"{SET_ASIDE}/{name[:2]}/{name}.json" if n_records == 1 else f"{SET_ASIDE}/{name[:2]}/{name}-{n_records}.json"
    )


def n_set_aside(key: str) -> int:
    """Number of records of a set-aside object."""
    _, dash, number = key.rpartition("/")[2].removesuffix(".json").partition("-")
    return int(number) if dash and number.isdecimal() else 1


def _hash_of(names: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(names)).encode()).hexdigest()[:32]

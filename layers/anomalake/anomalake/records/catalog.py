"""Digests of the relations that were made in a Glue database.

The digest is in the key, so that one listing reads all of them.
"""

from __future__ import annotations

from anomalake.storage.store import ObjectStore

_FOLDER = "catalog"


def digest_key(database: str, relation: str, digest: str) -> str:
    """Return the key of the record that a relation was made from the definition with this digest."""
    return f"{_folder(database)}/{relation}/{digest}"


def read_digests(store: ObjectStore, database: str) -> dict[str, set[str]]:
    """Read the digests of each relation of a database; raises `StoreError`.

    A relation has one. It has none while it is made, and several where two processes made it at once from different
    definitions, of which either may be the last: it must be made again then.
    """
    digests: dict[str, set[str]] = {}
    folder = f"{_folder(database)}/"
    for entry in store.list(_folder(database)):
        relation, _, digest = entry.key.removeprefix(folder).partition("/")
        digests.setdefault(relation, set()).add(digest)
    return digests


def _folder(database: str) -> str:
    return f"{_FOLDER}/database={database}"

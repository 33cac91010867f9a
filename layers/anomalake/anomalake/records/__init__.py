"""Every record that anomalake stores beside the alerts: its key, its codec, its reader and its writer.

`keys` has the folder layout, with a table of all keys. Each other module has one kind of record:

- a frozen dataclass of the record;
- ``NAME_key(…)``, and ``parse_NAME_key(key)`` where keys are listed, which is None for any other key;
- ``to_json`` and ``from_json`` (or ``to_parquet``, ``to_lines``, …), named after the format;
- ``write_NAME`` and ``read_NAME``. Intervals, models and deliveries have a class instead, since they share a folder.

A reader raises `errors.RecordError`, which names the key, or returns what it could not read as lines of text.
"""

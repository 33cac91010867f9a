"""Folders of days: the part of a template path such as ``live/{{yyyyMMdd}}/{{HHmm}}`` that names the day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time

from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.time_formats import parts_of, template_parts, write_wall_clock

#: Column of source rows with the day of their folder, in the folder's own form; NULL where folders have no day.
SOURCE_FOLDER_DAY = "source_folder_day"

_SEPARATORS = re.compile(r"[/_.-]+")
_FIELDS = ("yyyy", "MM", "dd")


@dataclass(frozen=True, slots=True)
class DayFolders:
    """Folders of days.

    Attributes
    ----------
    prefix
        The path before the day.
    pattern
        Java's pattern of the day, such as ``yyyyMMdd`` or ``yyyy/MM/dd``. Its text sorts as days do.
    """

    prefix: str
    pattern: str

    @property
    def expression(self) -> str:
        """Regular expression of the path of a day's folder; its group is the day."""
        day = re.sub("[yMd]", "[0-9]", re.escape(self.pattern))
        return f"^{re.escape(self.prefix)}({day})(?:/|$)"


def day_folders(template: str) -> DayFolders | None:
    """Return the folders of days in a template path; None if no folder has the files of one day.

    The day must be whole and be the end of a folder's name, with year, month and day in this order and of fixed width,
    so that its text sorts as days do.
    """
    parts = template_parts(template)
    first = next((place for place, part in enumerate(parts) if part.is_field), len(parts))
    prefix, parts = "".join(part.text for part in parts[:first]), parts[first:]
    pattern, fields = "", list(_FIELDS)
    for place, part in enumerate(parts):
        if part.is_field and part.text == fields[0]:
            fields.pop(0)
        elif part.is_field or not _SEPARATORS.fullmatch(part.text):
            return None
        pattern += part.text
        if not fields:
            after = parts[place + 1] if place + 1 < len(parts) else None
            ends = after is None or (not after.is_field and after.text.startswith("/"))
            return DayFolders(prefix, pattern) if ends else None
    return None


def locations_of(metric_set: MetricSet) -> list[tuple[str, DayFolders | None]]:
    """Return the locations of a source's files, each with its folders of days if those are partitions in queries.

    They are partitions if every path at the location has folders of days, and no location above is read as a whole: a
    second table at a location would have its rows again, and a table has the files of all subfolders. All have one
    pattern, that of the first template with folders of days, because a query compares the days of all with one text.
    """
    by_template = {template: day_folders(template) for template in metric_set.templated_path_list}
    pattern = next((folders.pattern for folders in by_template.values() if folders is not None), None)
    # Athena finds Parquet's columns by name, and replaces ${…} in the location of a partition.
    clashes = metric_set.kind == "parquet" and SOURCE_FOLDER_DAY in (name.lower() for name in metric_set.columns)
    by_location: dict[str, set[DayFolders | None]] = {}
    for path in metric_set.historical_data_path_list:
        by_location.setdefault(_location(path), set()).add(None)
    for path, folders in by_template.items():
        usable = folders is not None and folders.pattern == pattern and "$" not in folders.prefix and not clashes
        by_location.setdefault(_location(path), set()).add(folders if usable else None)
    whole = tuple(location for location, found in by_location.items() if None in found)
    locations: list[tuple[str, DayFolders | None]] = []
    for location, found in sorted(by_location.items()):
        if any(location != above and location.startswith(above) for above in whole):
            continue
        partitions = sorted((folders for folders in found if folders is not None), key=lambda folders: folders.prefix)
        locations += [(location, None)] if None in found else [(location, folders) for folders in partitions]
    return locations


def _location(path: str) -> str:
    root = path.partition("{{")[0]
    return root if root.endswith("/") else root[: root.rfind("/") + 1] if "{{" in path else f"{root}/"


def day_pattern(metric_set: MetricSet) -> str | None:
    """Return the pattern of the days of a source's folders; None if no folders of days are partitions."""
    return next((folders.pattern for _, folders in locations_of(metric_set) if folders is not None), None)


def day_text(pattern: str, day: date) -> str:
    """Return a day in a pattern of `DayFolders`."""
    return write_wall_clock(parts_of(pattern), datetime.combine(day, time()))

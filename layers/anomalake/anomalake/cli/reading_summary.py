"""Lines that say what data were taken for."""

from __future__ import annotations

from collections.abc import Iterator

from anomalake.definitions.messages import printable
from anomalake.services.detector_guess import DetectorGuess
from anomalake.sources.guessing.readings import TableReading

_LONGEST = 200
_MOST_IGNORED = 12
_NAMES = {"\t": "tab", " ": "blanks", None: "one column"}


def reading_lines(guess: DetectorGuess) -> Iterator[str]:
    """Say what data were taken for: bytes, time, measures, dimensions, and what to look at."""
    for text in _lines(guess):
        yield printable(text)


def _lines(guess: DetectorGuess) -> Iterator[str]:
    reading = guess.reading
    files = f"{guess.files:,} files, " if guess.files > 1 else ""
    yield f"{guess.data}: {files}{_bytes(reading)}, {reading.rows:,} rows{'' if reading.is_whole else ' looked at'}"
    time, spacing = reading.time.value, reading.spacing
    pattern = f" ({time.pattern})" if time.pattern else ""
    yield f"  time        {' + '.join(time.columns)}{pattern}, zone {reading.zone.value or 'not stated: UTC'}"
    yield f"  frequency   {reading.frequency.value}: {spacing.with_rows:,} of {spacing.intervals:,} intervals have rows"
    yield f"  measures    {_shortened([f'{name} {function}' for name, function in reading.measures.items()])}"
    yield f"  dimensions  {_shortened(reading.dimensions) or 'none'}; {reading.series:,} series"
    ignored = [role for role in reading.roles if role.role.value == "ignored"]
    for role in ignored[:_MOST_IGNORED]:
        yield f"  not used    {role.name}: {role.role.evidence}"
    if len(ignored) > _MOST_IGNORED:
        yield f"  not used    {len(ignored) - _MOST_IGNORED:,} more columns"
    for notice in reading.notices:
        yield f"  note        {notice.kind}: {notice.text}"
    if reading.unsure:
        yield f"  unsure of   {', '.join(reading.unsure)}"


def _bytes(reading: TableReading) -> str:
    text = reading.text
    packed = ", gzipped" if text.compression.value == "GZIP" else ""
    if text.kind.value == "parquet":
        return f"Parquet{packed}"
    if text.kind.value == "json":
        return f"JSON lines in {text.charset.value}{packed}"
    delimiter = text.delimiter.value
    named = _NAMES.get(delimiter) or f"{delimiter!r}"
    decimal = ", decimal comma" if reading.separators.value[0] == "," else ""
    return f"CSV ({named}) in {text.charset.value}{decimal}{packed}"


def _shortened(names: list[str] | tuple[str, ...]) -> str:
    text = ", ".join(names)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(names)} in all)"

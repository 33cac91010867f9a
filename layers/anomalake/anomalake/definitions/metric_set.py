"""A metric set in the fields of L4M's CreateMetricSet."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The bounds of an alert's names and values are those of the source data too.
from anomalake.alerts.bounds import MAX_METRIC_VALUE as MAX_METRIC_VALUE
from anomalake.alerts.bounds import MAX_NAME as MAX_NAME
from anomalake.alerts.bounds import MAX_VALUE as MAX_VALUE
from anomalake.definitions.errors import SourceError
from anomalake.definitions.messages import listed, shown
from anomalake.definitions.time_formats import NUMBER_FORMATS, template_parts, timestamp_reader
from anomalake.frequencies import FREQUENCIES

#: Pattern of a detector's name.
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")

DEFAULT_TIMESTAMP_FORMAT = "yyyy-MM-dd HH:mm:ss"
#: Default of `CsvFormat.null_values`: what publishers of tables write for "no value". What a failed computation
#: writes (``nan``, ``null``, ``inf``) is not among them.
DEFAULT_NULL_VALUES: tuple[str, ...] = (".", "..", "-", "--", "?", "NA", "N/A", "#N/A")
#: Default of `MetricSet.minimum_good_share`.
DEFAULT_MINIMUM_GOOD_SHARE = 0.9

# Charsets whose texts are UTF-8, which engines of queries read.
_UTF8 = ("utf-8", "utf-8-sig", "ascii")

#: Types of columns in Parquet files: Athena's, and ZONED for an instant.
COLUMN_TYPE = re.compile(
    r"string|boolean|tinyint|smallint|int|bigint|float|double|decimal\([0-9]{1,2},[0-9]{1,2}\)|date|timestamp"
    r"|timestamp with time zone"
)
#: Type of a column with instants. Athena has no such type for a file's column: it reads the instant's time in UTC.
ZONED = "timestamp with time zone"

# Charsets that queries read as what they are.
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
# Names in the tz database that mean the machine's own zone, or no zone.
_NOT_ZONES = ("localtime", "posixrules", "Factory")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """CsvFormatDescriptor; an empty `quote_symbol` means no quoting.

    Attributes
    ----------
    decimal_separator, thousands_separator, null_values, skip_lines
        DecimalSeparator, ThousandsSeparator (empty: none), NullValues and SkipLines, settings of anomalake.
    """

    delimiter: str = ","
    quote_symbol: str = '"'
    contains_header: bool = True
    header_list: tuple[str, ...] = ()
    file_compression: str = "NONE"
    charset: str = "UTF-8"
    decimal_separator: str = "."
    thousands_separator: str = ""
    null_values: tuple[str, ...] = DEFAULT_NULL_VALUES
    skip_lines: int = 0


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """JsonFormatDescriptor."""

    file_compression: str = "NONE"
    charset: str = "UTF-8"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """Name and type of a column; `COLUMN_TYPE` matches the types."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """ParquetFormatDescriptor, a setting of anomalake; Parquet files have typed columns.

    Attributes
    ----------
    column_list
        ColumnList: the columns that queries read. Empty: not known; registration for queries reads them from a file.
    """

    column_list: tuple[ColumnType, ...] = ()


FileFormat = CsvFormat | JsonLinesFormat | ParquetFormat


@dataclass(frozen=True, slots=True)
class AthenaTable:
    """AthenaSourceConfig: a table (or view) that Athena queries.

    Attributes
    ----------
    database_name, table_name
        DatabaseName, TableName.
    data_catalog, work_group_name, s3_results_path
        DataCatalog, WorkGroupName; S3ResultsPath is empty if the workgroup has it.
    timestamp_is_text
        Whether the timestamp column is text in the ColumnFormat; else its type is timestamp or date.
    """

    database_name: str
    table_name: str
    data_catalog: str = "AwsDataCatalog"
    work_group_name: str = "primary"
    s3_results_path: str = ""
    timestamp_is_text: bool = False


#: Deviations that are anomalies: those to both sides of the expected value, those below it, or those above it.
Direction = Literal["both", "drops", "rises"]

#: What a metric without rows is, in an interval in which others have rows: nothing, the value 0, or an anomaly.
MissingData = Literal["ignore", "zero", "anomaly"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A member of MetricList.

    Attributes
    ----------
    direction, minimum_duration, missing_data
        Direction, MinimumDuration (intervals) and MissingData, settings of anomalake.
    """

    metric_name: str
    aggregation_function: str = "SUM"
    direction: Direction = "both"
    minimum_duration: int = 1
    missing_data: MissingData = "ignore"


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """Accepted values of one dimension."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameAliases:
    """Other names of a measure or dimension, such as the one before a rename."""

    name: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricSet:
    """The source data of a detector, and their measures and dimensions.

    Attributes
    ----------
    detector_arn
        AnomalyDetectorArn.
    templated_path_list, historical_data_path_list
        Locations of the files, as in S3SourceConfig: ``s3://…`` or folders. Templates such as
        ``live/{{yyyyMMdd}}/{{HHmm}}`` have one folder for each interval.
    recursive
        Recursive, a setting of anomalake: whether the files in subfolders of `historical_data_path_list` are read too.
    file_format
        FileFormatDescriptor.
    timestamp_column, timestamp_format
        TimestampColumn: ColumnName, and ColumnFormat in Java's letters or one of `NUMBER_FORMATS`.
    joined_timestamp_columns
        ColumnNames, a setting of anomalake: columns whose texts, joined by one blank, are the timestamp;
        `timestamp_column` is their names, joined likewise. Empty: the timestamp is in one column.
    timezone
        Zone of the rows' timestamps.
    metric_list, dimension_list, frequency
        MetricList, DimensionList, MetricSetFrequency.
    name, description
        MetricSetName, MetricSetDescription.
    offset
        Seconds between the end of an interval and the reading of its data.
    dimension_filter_list
        Rows must pass all of these filters.
    athena
        AthenaSourceConfig, instead of paths.
    minimum_good_share
        MinimumGoodShare, a setting of anomalake: an interval with a smaller share of valid rows fails.
    alias_list
        AliasList, a setting of anomalake: names that share a column in queries.
    roll_ups
        RollUps, a setting of anomalake: whether the totals of SUM measures, of all and of each dimension value, are
        metrics too.
    """

    detector_arn: str
    timestamp_column: str
    metric_list: tuple[Measure, ...]
    dimension_list: tuple[str, ...] = ()
    timestamp_format: str = DEFAULT_TIMESTAMP_FORMAT
    timezone: str = "UTC"
    frequency: str = "PT1H"
    templated_path_list: tuple[str, ...] = ()
    historical_data_path_list: tuple[str, ...] = ()
    file_format: FileFormat = field(default_factory=CsvFormat)
    name: str = ""
    description: str = ""
    offset: int = 0
    dimension_filter_list: tuple[DimensionFilter, ...] = ()
    athena: AthenaTable | None = None
    minimum_good_share: float = DEFAULT_MINIMUM_GOOD_SHARE
    alias_list: tuple[NameAliases, ...] = ()
    recursive: bool = False
    joined_timestamp_columns: tuple[str, ...] = ()
    roll_ups: bool = False

    def __post_init__(self) -> None:
        name = self.detector_arn.rpartition(":")[2]
        if not self.detector_arn.startswith("arn:") or not NAME.fullmatch(name):
            raise SourceError(f"AnomalyDetectorArn {self.detector_arn!r}: expected arn:…:AnomalyDetector:NAME")
        if not self.templated_path_list and not self.historical_data_path_list and self.athena is None:
            raise SourceError("S3SourceConfig: no path; expected TemplatedPathList or HistoricalDataPathList")
        if self.frequency not in FREQUENCIES:
            raise SourceError(f"MetricSetFrequency {self.frequency!r}: expected one of {', '.join(FREQUENCIES)}")
        if not self.metric_list:
            raise SourceError("MetricList: empty; expected at least one measure")
        for measure in self.metric_list:
            if measure.aggregation_function not in ("SUM", "AVG"):
                raise SourceError(
                    f"MetricList {measure.metric_name!r}: AggregationFunction {measure.aggregation_function!r}; "
                    "expected SUM or AVG"
                )
        self._check_columns()
        check_timezone(self.timezone)
        timestamp_reader(self.timestamp_format)
        for template in self.templated_path_list:
            template_parts(template)

    def _check_columns(self) -> None:
        columns = [*self.timestamp_columns, *self.measures, *self.dimension_list]
        if self.joined_timestamp_columns and self.athena is not None:
            raise SourceError("TimestampColumn.ColumnNames: expected ColumnName for a table; a view can join columns")
        for name in (*self.measures, *self.dimension_list):
            if not 1 <= len(name) <= MAX_NAME:
                raise SourceError(f"column {shown(name)}: {len(name)} characters; expected 1 to {MAX_NAME}")
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise SourceError(f"column {twice[0]!r} is named twice among timestamp, measures and dimensions")
        self._check_aliases(columns)
        if isinstance(self.file_format, ParquetFormat) and self.file_format.column_list:
            typed = [column.name for column in self.file_format.column_list]
            missing = [column for column in columns if column not in typed]
            if missing:
                raise SourceError(f"ColumnList: no column {missing[0]!r}; it has {listed(typed)}")
        if not isinstance(self.file_format, CsvFormat):
            return
        if self.file_format.header_list:
            missing = [column for column in columns if column not in self.file_format.header_list]
            if missing:
                raise SourceError(
                    f"HeaderList: no column {missing[0]!r}; it has {listed(self.file_format.header_list)}"
                )
        elif not self.file_format.contains_header:
            raise SourceError("CsvFormatDescriptor: no header in the files; expected HeaderList")

    def _check_aliases(self, columns: list[str]) -> None:
        names = [entry.name for entry in self.alias_list]
        aliases = [alias for entry in self.alias_list for alias in entry.aliases]
        for name in names:
            if name not in (*self.measures, *self.dimension_list) or names.count(name) > 1:
                raise SourceError(f"AliasList {name!r}: expected a name of MetricList or DimensionList, once")
        for alias in aliases:
            if alias in columns or aliases.count(alias) > 1:
                raise SourceError(f"AliasList {alias!r}: is a column of the metric set, or the alias of two names")

    def aliases_of(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the aliases of those of some names that have any."""
        return {entry.name: entry.aliases for entry in self.alias_list if entry.name in names}

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(measure.metric_name for measure in self.metric_list)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths of the source data: of the history, then of intervals."""
        return (*self.historical_data_path_list, *self.templated_path_list)

    @property
    def timestamp_columns(self) -> tuple[str, ...]:
        """The source's columns that have the timestamp."""
        return self.joined_timestamp_columns or (self.timestamp_column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns that are read."""
        return (*self.timestamp_columns, *self.dimension_list, *self.measures)

    @property
    def timestamp_type(self) -> Literal["text", "wall clock", "instant"]:
        """What the timestamp column has: text in `timestamp_format`, a typed wall-clock time, or a typed instant."""
        if self.athena is not None:
            return "text" if self.athena.timestamp_is_text else "wall clock"
        if not isinstance(self.file_format, ParquetFormat):
            return "text"
        types = {column.name: column.type for column in self.file_format.column_list}
        type_ = types.get(self.timestamp_column, "string")
        return "text" if type_ == "string" else "instant" if type_ == ZONED else "wall clock"

    @property
    def settings_without_queries(self) -> tuple[str, ...]:
        """Settings of anomalake that detection knows and queries on live data do not."""
        csv = self.file_format
        found = {
            "ColumnNames": bool(self.joined_timestamp_columns),
            f"ColumnFormat {self.timestamp_format}": self.timestamp_format in NUMBER_FORMATS,
        }
        if isinstance(csv, CsvFormat):
            found |= {
                "DecimalSeparator": csv.decimal_separator != ".",
                "ThousandsSeparator": bool(csv.thousands_separator),
                "NullValues with numbers": any(letter.isdigit() for text in csv.null_values for letter in text),
                "SkipLines": csv.skip_lines > 0,
                f"Charset {csv.charset}": codecs.lookup(csv.charset).name not in _UTF8,
            }
        return tuple(name for name, is_set in found.items() if is_set)

    @property
    def kind(self) -> Literal["csv", "json", "parquet", "athena"]:
        """Kind of the source."""
        if self.athena is not None:
            return "athena"
        if isinstance(self.file_format, CsvFormat):
            return "csv"
        return "json" if isinstance(self.file_format, JsonLinesFormat) else "parquet"


def check_timezone(name: str) -> None:
    """Check that a zone is in the tz database; raises `SourceError`."""
    try:
        if name in _NOT_ZONES or name.startswith(("right/", "posix/")):
            raise ValueError(name)
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SourceError(f"Timezone {name!r}: expected a zone such as Europe/Paris") from error

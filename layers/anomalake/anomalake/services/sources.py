"""The reader of a metric set's source data."""

from __future__ import annotations

from anomalake.definitions.metric_set import MetricSet
from anomalake.local.source_files import FolderOrS3Files
from anomalake.sources.ports import SourceFiles, SourceTables


def open_source_files(metric_set: MetricSet) -> SourceFiles | SourceTables:
    """What reads a metric set's source: its files, or Athena."""
    if metric_set.athena is None:
        return FolderOrS3Files()
    from anomalake.aws.athena_source import AthenaTables

    return AthenaTables()

"""Where a metric set comes from."""

from __future__ import annotations

from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import Boolean, Integer, ListOf, Structure, Text
from anomalake.server.lookoutmetrics.shapes.scalars import ARN, CHARSET, COLUMN_NAME, not_blank

_COMPRESSIONS: Final = ("NONE", "GZIP")
_S3_PATH: Final = r"s3://[a-z0-9].+"
_S3_PATH_IN_WORDS: Final = "s3://BUCKET/PREFIX"

FILE_FORMAT: Final = Structure(
    "FileFormatDescriptor",
    {
        "CsvFormatDescriptor": Structure(
            "CsvFormatDescriptor",
            {
                "FileCompression": Text("CSVFileCompression", enum=_COMPRESSIONS),
                "Charset": CHARSET,
                "ContainsHeader": Boolean(),
                "Delimiter": Text("Delimiter", 0, 1, r"[^\r\n]", "one character, no line break"),
                "HeaderList": ListOf("HeaderList", COLUMN_NAME),
                "QuoteSymbol": Text("QuoteSymbol", 0, 1, r"[^\r\n]?", "at most one character, no line break"),
            },
        ),
        "JsonFormatDescriptor": Structure(
            "JsonFormatDescriptor",
            {"FileCompression": Text("JsonFileCompression", enum=_COMPRESSIONS), "Charset": CHARSET},
        ),
    },
)
TEMPLATED_PATHS: Final = ListOf(
    "TemplatedPathList",
    Text(
        "TemplatedPath",
        0,
        1024,
        r"s3://[a-zA-Z0-9_\-/ {}=]+",
        "s3://BUCKET/PATH of letters, digits, blanks and _-/{}=",
    ),
    1,
    1,
)
HISTORICAL_PATHS: Final = ListOf(
    "HistoricalDataPathList", Text("HistoricalDataPath", 0, 1024, _S3_PATH, _S3_PATH_IN_WORDS), 1, 1
)

_BACKTEST: Final = Structure("BackTestConfiguration", {"RunBackTestMode": Boolean()}, ("RunBackTestMode",))
_SECRET_ARN: Final = Text(
    "SecretManagerArn",
    0,
    256,
    r"arn:[a-z\d-]+:[^:]*:[^:]*:[^:]*:secret:AmazonLookoutMetrics-.+",
    "the ARN of a secret whose name begins with AmazonLookoutMetrics-",
)
_HOST: Final = not_blank("DatabaseHost", 253)
_PORT: Final = Integer("DatabasePort", 1, 65_535)
_TABLE: Final = Text("TableName", 1, 100, r"[a-zA-Z][a-zA-Z0-9_.]*", "letters, digits, _ and ., the first one a letter")
_DATABASE: Final = (r"[a-zA-Z0-9_.]+", "letters, digits, _ and .")
_ATHENA_NAME: Final = (r"[a-zA-Z0-9_]+", "letters, digits and _")
_HYPHENS: Final = "and single hyphens, the first one a letter and the last one no hyphen"
_VPC: Final = Structure(
    "VpcConfiguration",
    {
        "SubnetIdList": ListOf(
            "SubnetIdList", Text("SubnetId", 0, 255, r"[a-zA-Z0-9-]+", "letters, digits and hyphens")
        ),
        "SecurityGroupIdList": ListOf(
            "SecurityGroupIdList", Text("SecurityGroupId", 1, 255, r"[a-zA-Z0-9-]+", "letters, digits and hyphens")
        ),
    },
    ("SubnetIdList", "SecurityGroupIdList"),
)

METRIC_SOURCE: Final = Structure(
    "MetricSource",
    {
        "S3SourceConfig": Structure(
            "S3SourceConfig",
            {
                "RoleArn": ARN,
                "TemplatedPathList": TEMPLATED_PATHS,
                "HistoricalDataPathList": HISTORICAL_PATHS,
                "FileFormatDescriptor": FILE_FORMAT,
            },
        ),
        "AppFlowConfig": Structure(
            "AppFlowConfig",
            {
                "RoleArn": ARN,
                "FlowName": Text(
                    "FlowName",
                    0,
                    256,
                    r"[a-zA-Z0-9][a-zA-Z0-9_!@#.-]+",
                    "letters, digits and _!@#.-, at least two, the first one a letter or digit",
                ),
            },
        ),
        "CloudWatchConfig": Structure("CloudWatchConfig", {"RoleArn": ARN, "BackTestConfiguration": _BACKTEST}),
        "RDSSourceConfig": Structure(
            "RDSSourceConfig",
            {
                "DBInstanceIdentifier": Text(
                    "RDSDatabaseIdentifier", 1, 63, r"[a-zA-Z](-?[a-zA-Z0-9])*", f"letters, digits {_HYPHENS}"
                ),
                "DatabaseHost": _HOST,
                "DatabasePort": _PORT,
                "SecretManagerArn": _SECRET_ARN,
                "DatabaseName": Text("RDSDatabaseName", 1, 64, *_DATABASE),
                "TableName": _TABLE,
                "RoleArn": ARN,
                "VpcConfiguration": _VPC,
            },
        ),
        "RedshiftSourceConfig": Structure(
            "RedshiftSourceConfig",
            {
                "ClusterIdentifier": Text(
                    "RedshiftClusterIdentifier", 1, 63, r"[a-z](-?[a-z0-9])*", f"lower-case letters, digits {_HYPHENS}"
                ),
                "DatabaseHost": _HOST,
                "DatabasePort": _PORT,
                "SecretManagerArn": _SECRET_ARN,
                "DatabaseName": Text("RedshiftDatabaseName", 1, 100, *_DATABASE),
                "TableName": _TABLE,
                "RoleArn": ARN,
                "VpcConfiguration": _VPC,
            },
        ),
        "AthenaSourceConfig": Structure(
            "AthenaSourceConfig",
            {
                "RoleArn": ARN,
                "DatabaseName": Text("AthenaDatabaseName", 1, 255, *_ATHENA_NAME),
                "DataCatalog": Text("AthenaDataCatalog", 1, 256, r"[^\x00-\x08\x0a-\x1f]*", "no control characters"),
                "TableName": Text("AthenaTableName", 1, 128, *_ATHENA_NAME),
                "WorkGroupName": Text(
                    "AthenaWorkGroupName", 1, 128, r"[a-zA-Z0-9._-]+", "letters, digits, ., _ and hyphens"
                ),
                "S3ResultsPath": Text("AthenaS3ResultsPath", 0, 1024, _S3_PATH, _S3_PATH_IN_WORDS),
                "BackTestConfiguration": _BACKTEST,
            },
        ),
    },
    one_of=True,
)

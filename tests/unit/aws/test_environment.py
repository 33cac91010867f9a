"""What the functions say of an environment that is wrong: variable, value, what was expected."""

from __future__ import annotations

import re

import pytest

from anomalake.aws.environment import (
    CatalogEnvironment,
    CompactEnvironment,
    CrawlEnvironment,
    CrawlerTarget,
    EnvironmentVariableError,
    IngestEnvironment,
)
from anomalake.notify.page_url import PageUrlError, page_url
from tests.support.stack import template

GOOD = {
    "ANOMALAKE_LAKE": "s3://my-bucket/lake/",
    "ANOMALAKE_FORMATS": "parquet,csv",
    "ANOMALAKE_DATABASE": "anomalake_dev",
    "ANOMALAKE_WORKGROUP": "anomalake-dev",
    "ANOMALAKE_CRAWLERS": "tables=s3://my-bucket/lake/partitions/,src.1=s3://other/live/",
    "ANOMALAKE_GRACE_HOURS": "6",
}


def test_each_function_reads_what_it_needs() -> None:
    lake = "s3://my-bucket/lake"
    assert IngestEnvironment.read(GOOD) == IngestEnvironment(lake, ("parquet", "csv"), "anomalake_dev")
    assert CompactEnvironment.read(GOOD) == CompactEnvironment(lake, ("parquet", "csv"), 6)
    assert CatalogEnvironment.read(GOOD) == CatalogEnvironment(
        lake, ("parquet", "csv"), "anomalake_dev", "anomalake-dev"
    )
    assert CrawlEnvironment.read(GOOD) == CrawlEnvironment(
        lake,
        "anomalake_dev",
        (CrawlerTarget("tables", "s3://my-bucket/lake/partitions/"), CrawlerTarget("src.1", "s3://other/live/")),
    )


def test_under_sam_local_without_a_bucket_the_lake_is_a_folder_and_glue_is_left_alone() -> None:
    local = {**GOOD, "AWS_SAM_LOCAL": "true", "ANOMALAKE_LAKE": "s3://Bucket/lake"}
    assert IngestEnvironment.read(local) == IngestEnvironment("/tmp/lake", ("parquet", "csv"), None)
    assert IngestEnvironment.read({**GOOD, "AWS_SAM_LOCAL": "true"}) == IngestEnvironment.read(GOOD)
    with pytest.raises(EnvironmentVariableError):
        IngestEnvironment.read({**local, "AWS_SAM_LOCAL": "false"})


def test_what_may_be_left_out_has_its_default() -> None:
    assert IngestEnvironment.read({"ANOMALAKE_LAKE": "s3://bucket"}) == IngestEnvironment(
        "s3://bucket", ("parquet",), None
    )
    assert IngestEnvironment.read({"ANOMALAKE_LAKE": "s3://bucket", "ANOMALAKE_DATABASE": ""}).database is None
    assert CompactEnvironment.read({"ANOMALAKE_LAKE": "s3://bucket"}).grace_hours == 24


@pytest.mark.parametrize("folder", ["/mnt/lake", "file:///mnt/the lake"])
def test_a_lake_in_a_folder_has_no_glue_catalog(folder: str) -> None:
    environment = IngestEnvironment.read({"ANOMALAKE_LAKE": folder, "ANOMALAKE_DATABASE": "anomalake"})
    assert environment == IngestEnvironment(folder, ("parquet",), None)
    assert CompactEnvironment.read({"ANOMALAKE_LAKE": folder}).lake == folder


@pytest.mark.parametrize(
    ("model", "name", "value", "expected"),
    [
        (IngestEnvironment, "ANOMALAKE_LAKE", None, "s3://BUCKET"),
        (CrawlEnvironment, "ANOMALAKE_LAKE", "/mnt/lake", "s3://BUCKET"),
        (IngestEnvironment, "ANOMALAKE_LAKE", "./lake", "s3://BUCKET"),
        (IngestEnvironment, "ANOMALAKE_LAKE", "s3://Upper/lake", "s3://BUCKET"),
        (IngestEnvironment, "ANOMALAKE_LAKE", "s3://bucket/a b", "s3://BUCKET"),
        (IngestEnvironment, "ANOMALAKE_FORMATS", "", "parquet, csv or parquet,csv"),
        (IngestEnvironment, "ANOMALAKE_FORMATS", "orc", "parquet, csv or parquet,csv"),
        (IngestEnvironment, "ANOMALAKE_FORMATS", "csv,csv", "parquet, csv or parquet,csv"),
        (IngestEnvironment, "ANOMALAKE_DATABASE", "a-b", "a Glue database"),
        (CompactEnvironment, "ANOMALAKE_GRACE_HOURS", "-1", "a whole number from 0 to 720"),
        (CompactEnvironment, "ANOMALAKE_GRACE_HOURS", "721", "a whole number from 0 to 720"),
        (CompactEnvironment, "ANOMALAKE_GRACE_HOURS", "1h", "a whole number from 0 to 720"),
        (CrawlEnvironment, "ANOMALAKE_DATABASE", None, "a Glue database"),
        (CrawlEnvironment, "ANOMALAKE_CRAWLERS", None, "CRAWLER=s3://BUCKET/PREFIX"),
        (CrawlEnvironment, "ANOMALAKE_CRAWLERS", "tables", "CRAWLER=s3://BUCKET/PREFIX"),
        (CrawlEnvironment, "ANOMALAKE_CRAWLERS", "a=s3://bucket/x,", "CRAWLER=s3://BUCKET/PREFIX"),
        (CatalogEnvironment, "ANOMALAKE_WORKGROUP", "a b", "an Athena workgroup"),
    ],
)
def test_a_fault_is_one_line_with_variable_value_and_what_was_expected(
    model: type[IngestEnvironment], name: str, value: str | None, expected: str
) -> None:
    variables = {key: text for key, text in {**GOOD, name: value}.items() if text is not None}
    with pytest.raises(EnvironmentVariableError) as error:
        model.read(variables)
    message = str(error.value)
    assert message.startswith(f"{name}: ")
    assert (repr(value) if value else "is not set") in message
    assert f"expected {expected}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://kpi.example.com/page.html",
        "http://127.0.0.1:8765/",
        "http://localhost:8765",
        "http://[::1]:8765/",
        "https://kpi.example.com?lake=a",
        "file:///srv/the%20lake/page.html",
        "file://share/kpis/page.html",
    ],
)
def test_a_page_has_an_address_of_the_web_or_of_a_file(address: str) -> None:
    assert page_url("--page", address) == address
    # A stack has no use for an address of IPv6's own form.
    assert in_a_stack(address) or "[" in address


def in_a_stack(address: str) -> bool:
    """Whether the stack's parameter takes an address."""
    parameter = template()["Parameters"]["PageUrl"]
    allowed = re.search(parameter["AllowedPattern"], address) is not None
    return allowed and "\n" not in address and len(address) <= int(parameter["MaxLength"])


@pytest.mark.parametrize(
    "address",
    [
        "page.html",
        "/srv/page.html",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https://user:word@kpi.example.com/",  # pragma: allowlist secret
        "https://kpi.example.com.evil@there/",
        "https://kpi.example.com/#group",
        "https://kpi.example.com/a b",
        "https://kpi.example.com/\nX",
        "https://kpi.example.com/\n",
        'https://kpi.example.com/"><b>',
        "https://kpi.example.com/ü",
        "file:page.html",
        "https://kpi.example.com/" + "a" * 1_000,
    ],
)
def test_any_other_address_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(PageUrlError, match=r"\A--page: .*: expected a URL such as https://HOST/page\.html") as error:
        page_url("--page", address)
    assert "\n" not in str(error.value)
    assert not in_a_stack(address)

"""Statements of DDL in Athena, and the relations of a Glue database."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from anomalake.aws.athena_database import POLL, AthenaDatabase
from anomalake.lake.ports import TABLE, VIEW, CatalogError


class Athena:
    """A client of Athena whose executions have these states, one after the other."""

    def __init__(self, *states: str, reason: str = "", error: Exception | None = None) -> None:
        self.states = list(states)
        self.reason = reason
        self.error = error
        self.started: list[dict[str, Any]] = []

    def start_query_execution(self, **arguments: Any) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        self.started.append(arguments)
        return {"QueryExecutionId": "7"}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        assert QueryExecutionId == "7"
        return {"QueryExecution": {"Status": {"State": self.states.pop(0), "StateChangeReason": self.reason}}}


def database(athena: Athena, pauses: list[float]) -> AthenaDatabase:
    return AthenaDatabase("kpis", "work", glue=lambda: None, athena=lambda: athena, pause=pauses.append)


def test_a_statement_runs_until_it_has_ended() -> None:
    athena, pauses = Athena("QUEUED", "RUNNING", "SUCCEEDED"), list[float]()
    database(athena, pauses).run("CREATE OR REPLACE VIEW x AS SELECT 1")
    [started] = athena.started
    assert started["QueryExecutionContext"] == {"Database": "kpis"}
    assert started["WorkGroup"] == "work"
    assert pauses == [POLL, POLL]


def test_a_statement_that_fails_is_told_on_one_line() -> None:
    athena = Athena("RUNNING", "FAILED", reason="line 1:8:\n mismatched input")
    with pytest.raises(CatalogError) as caught:
        database(athena, []).run("CREATE VIEW x AS\nSELECT")
    assert str(caught.value) == (
        "Athena, workgroup work, database kpis: failed: line 1:8: mismatched input: CREATE VIEW x AS"
    )


def test_a_call_that_fails_is_told() -> None:
    error = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "StartQueryExecution")
    with pytest.raises(CatalogError, match=r"workgroup work, database kpis: .*AccessDenied"):
        database(Athena(error=error), []).run("SELECT 1")


@mock_aws
def test_relations_of_a_database_are_tables_or_views() -> None:
    glue = boto3.client("glue", region_name="eu-west-1")
    glue.create_database(DatabaseInput={"Name": "kpis"})
    kinds = {f"table_{i}": "EXTERNAL_TABLE" for i in range(120)} | {"clashes": "VIRTUAL_VIEW"}
    for name, kind in kinds.items():
        glue.create_table(DatabaseName="kpis", TableInput={"Name": name, "TableType": kind})
    found = AthenaDatabase("kpis", "work", glue=lambda: glue, athena=lambda: None).relations()
    assert found == {name: VIEW if kind == "VIRTUAL_VIEW" else TABLE for name, kind in kinds.items()}


@mock_aws
def test_a_database_that_does_not_exist_is_told() -> None:
    glue = boto3.client("glue", region_name="eu-west-1")
    with pytest.raises(CatalogError, match="Glue database 'kpis': get_tables: "):
        AthenaDatabase("kpis", "work", glue=lambda: glue, athena=lambda: None).relations()

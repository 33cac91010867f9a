"""A Glue database, and Athena, which makes its views and tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from anomalake.aws.glue import glue_client
from anomalake.errors import one_line, require
from anomalake.lake.ports import TABLE, VIEW, CatalogError

#: Seconds between two questions whether a statement has ended.
POLL = 0.5

_RUNNING = ("QUEUED", "RUNNING")


def athena_client() -> Any:
    """An Athena client that waits where Athena's rates of calls are exceeded."""
    require("boto3", extra="aws")
    import boto3
    from botocore.config import Config

    return boto3.client("athena", config=Config(retries={"mode": "adaptive", "total_max_attempts": 10}))


class AthenaDatabase:
    """`DdlDatabase` over Athena.

    awswrangler is not used here: its calls share a boto3 session, which threads may not; a client they may.

    Parameters
    ----------
    name
        The Glue database.
    workgroup
        Workgroup of the statements; it must have a location for results.
    glue, athena
        Create the clients.
    pause
        Waits for some seconds.
    """

    def __init__(
        self,
        name: str,
        workgroup: str,
        glue: Callable[[], Any] = glue_client,
        athena: Callable[[], Any] = athena_client,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._workgroup = workgroup
        self._glue = glue()
        self._athena = athena()
        self._pause = pause

    def relations(self) -> dict[str, str]:
        """Return the names of its relations, with `TABLE` or `VIEW`; raises `CatalogError`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=self.name)
            return {
                table["Name"]: VIEW if table.get("TableType") == "VIRTUAL_VIEW" else TABLE
                for page in pages
                for table in page["TableList"]
            }
        except (ClientError, BotoCoreError) as error:
            raise CatalogError(f"Glue database {self.name!r}: get_tables: {one_line(error)}") from error

    def run(self, statement: str) -> None:
        """Run one statement of DDL; raises `CatalogError`."""
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"Athena, workgroup {self._workgroup}, database {self.name}"
        try:
            started = self._athena.start_query_execution(
                QueryString=statement,
                QueryExecutionContext={"Database": self.name},
                WorkGroup=self._workgroup,
            )
            while (status := self._status(started["QueryExecutionId"]))["State"] in _RUNNING:
                self._pause(POLL)
        except (ClientError, BotoCoreError) as error:
            raise CatalogError(f"{where}: {one_line(error)}") from error
        if status["State"] != "SUCCEEDED":
            reason = " ".join(status.get("StateChangeReason", "no reason given").split())
            raise CatalogError(f"{where}: {status['State'].lower()}: {reason}: {statement.splitlines()[0]}")

    def _status(self, execution: str) -> Any:
        return self._athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]

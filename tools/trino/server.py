"""A Trino server, asked through its Python client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from trino.client import ClientSession, TrinoQuery, TrinoRequest

from anomalake.errors import AnomalakeError, one_line
from trino import constants, exceptions


class Refused(AnomalakeError):
    """A query that Trino refuses: ``NAME: message``."""


class TrinoError(AnomalakeError):
    """A server that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of Trino.

    Attributes
    ----------
    columns
        Names and types of the columns.
    rows
        Their values as in the server's JSON, so that nothing is lost: decimals and timestamps are texts.
    """

    columns: list[tuple[str, str]]
    rows: list[list[Any]]


class TrinoServer:
    """A Trino server.

    Parameters
    ----------
    url
        Its address: ``http://[USER@]HOST:PORT``.
    catalog, schema
        Where names without a catalog or schema are looked up.

    Raises
    ------
    TrinoError
        The address is not that of a server.
    """

    def __init__(self, url: str, catalog: str | None = None, schema: str | None = None) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 8080)
        except ValueError as error:
            raise TrinoError(f"{url}: {error}; expected http://HOST:PORT") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrinoError(f"{url}: is not the address of a server; expected http://HOST:PORT")
        session = ClientSession(parts.username or "anomalake", catalog=catalog, schema=schema, timezone="UTC")
        self._request = TrinoRequest(
            parts.hostname, port, session, http_session=requests.Session(), http_scheme=parts.scheme
        )

    def ask(self, sql: str) -> Answer:
        """Ask a query, or run a statement.

        Raises
        ------
        Refused, TrinoError
        """
        query = TrinoQuery(self._request, sql, legacy_primitive_types=True)
        try:
            # Without the capability PARAMETRIC_DATETIME, timestamps have milliseconds, as in Athena.
            rows = list(query.execute({constants.HEADER_CLIENT_CAPABILITIES: ""}))
        except exceptions.TrinoUserError as error:
            raise Refused(f"{error.error_name}: {error.message}") from error
        except exceptions.TrinoQueryError as error:
            raise TrinoError(f"{self._url}: {error.error_name}: {' '.join(error.message.split())}") from error
        except exceptions.TrinoConnectionError as error:
            raise TrinoError(f"{self._url}: cannot be reached: {' '.join(str(error).split())}") from error
        except (exceptions.Error, exceptions.HttpError, ValueError, KeyError, TypeError) as error:
            raise TrinoError(f"{self._url}: does not answer as a Trino: {one_line(error)}") from error
        return Answer([(column["name"], column["type"]) for column in query.columns or ()], rows)

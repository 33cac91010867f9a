"""Glue crawlers: several changes share one crawl, and every change is crawled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from anomalake.aws.glue import glue_client
from anomalake.lake.ports import CatalogError

if TYPE_CHECKING:
    from anomalake.page.document import Crawl


class CrawlerRunningError(CatalogError):
    """The crawler is running and may have missed the change; the call must be repeated after it has ended."""


class GlueCrawlers:
    """Starts crawlers by name.

    Parameters
    ----------
    client
        Creates the Glue client on first use.
    """

    def __init__(self, client: Callable[[], Any] = glue_client) -> None:
        self._make_client = client
        self._client: Any = None

    def crawl(self, name: str, changed: Iterable[datetime]) -> bool:
        """Start a crawl, unless the last one succeeded and began after all the changes.

        Returns whether a crawl was started.

        Raises
        ------
        CrawlerRunningError
            A crawl is running.
        CatalogError
            Glue throttled, failed or could not be reached.
        """
        newest = max(changed)
        crawler = self._call("get_crawler", name)["Crawler"]
        last = crawler.get("LastCrawl", {})
        began = last.get("StartTime")
        if last.get("Status") == "SUCCEEDED" and began is not None and began > newest:
            return False
        if crawler.get("State", "READY") != "READY":
            raise CrawlerRunningError(f"Glue crawler {name!r}: is {crawler['State']}")
        self._call("start_crawler", name)
        return True

    def state(self, name: str) -> Crawl:
        """State of a crawler, and status of its last crawl.

        Raises
        ------
        CatalogError
            There is no such crawler; or Glue throttled, failed or could not be reached.
        """
        # Imported here because it imports numpy, which the layer of the function crawl does not contain.
        from anomalake.page.document import Crawl

        crawler = self._call("get_crawler", name)["Crawler"]
        last = crawler.get("LastCrawl") or {}
        began = last.get("StartTime")
        return Crawl(
            name, crawler.get("State", "READY"), last.get("Status", ""),
            int(began.timestamp()) if began is not None else None, last.get("ErrorMessage", ""),
        )  # fmt: skip

    def _call(self, operation: str, name: str) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = self._make_client()
            return getattr(self._client, operation)(Name=name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "CrawlerRunningException":
                raise CrawlerRunningError(f"Glue crawler {name!r}: {error}") from error
            raise CatalogError(f"Glue crawler {name!r}: {operation}: {error}") from error
        except BotoCoreError as error:
            raise CatalogError(f"Glue crawler {name!r}: {operation}: {error}") from error

"""Glue crawlers, started so that any number of changes share a crawl and none is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from anomalake.aws.glue import glue_client
from anomalake.lake.ports import CatalogError

if TYPE_CHECKING:
    from anomalake.page.document import Crawl


class CrawlerBusy(CatalogError):
    """The crawler is running, and may have passed by the change already: ask again when it is done."""


class GlueCrawlers:
    """Starts crawlers by name.

    Parameters
    ----------
    client
        Makes the Glue client when it is first needed.
    """

    def __init__(self, client: Callable[[], Any] = glue_client) -> None:
        self._make_client = client
        self._made: Any = None

    def crawl(self, name: str, changed: Iterable[datetime]) -> bool:
        """See to it that a crawl starts after each of these changes.

        Returns whether one was started; none is needed where the last one succeeded and began later than all changes.

        Raises
        ------
        CrawlerBusy
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
            raise CrawlerBusy(f"Glue crawler {name!r}: is {crawler['State']}")
        self._call("start_crawler", name)
        return True

    def state(self, name: str) -> Crawl:
        """What a crawler does, and how its last crawl ended.

        Raises
        ------
        CatalogError
            There is no such crawler; or Glue throttled, failed or could not be reached.
        """
        # Only here: it imports numpy, which the function that starts crawls does not have.
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
            if self._made is None:
                self._made = self._make_client()
            return getattr(self._made, operation)(Name=name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "CrawlerRunningException":
                raise CrawlerBusy(f"Glue crawler {name!r}: {error}") from error
            raise CatalogError(f"Glue crawler {name!r}: {operation}: {error}") from error
        except BotoCoreError as error:
            raise CatalogError(f"Glue crawler {name!r}: {operation}: {error}") from error

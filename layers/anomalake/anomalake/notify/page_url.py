"""The URL of the page that alerts link to."""

from __future__ import annotations

import re

from anomalake.errors import AnomalakeError

_URL = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)?"
    r"|file://[A-Za-z0-9.-]*/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*"
)
_LONGEST = 1_000


class PageUrlError(AnomalakeError, ValueError):
    """An invalid URL of a page."""


def page_url(name: str, url: str) -> str:
    """Check the URL of a page; the empty text is no page.

    Parameters
    ----------
    name
        Name of the argument or variable in messages.

    Raises
    ------
    PageUrlError
    """
    expected = "a URL such as https://HOST/page.html or file:///FOLDER/page.html, percent-encoded, without a #"
    if len(url) > _LONGEST:
        raise PageUrlError(f"{name}: {url[:200]!r}: expected {expected}, of at most {_LONGEST:,} characters")
    if url and not _URL.fullmatch(url):
        raise PageUrlError(f"{name}: {url[:200]!r}: expected {expected}")
    return url

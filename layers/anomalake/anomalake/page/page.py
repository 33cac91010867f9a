"""The page: one HTML file with a document and the code that draws it; it loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from anomalake.page import vega
from anomalake.page.document import PageDocument, packed_parts

#: Files of the page's JavaScript module, in their order.
SCRIPTS: Final = (
    "text.js", "model.js", "numbers.js", "charts.js", "charts-time.js", "charts-live.js", "charts-shares.js",
    "state.js", "filters.js", "pictures.js", "table.js", "groups.js", "group.js", "near-misses.js", "health.js",
    "serving.js", "main.js",
)  # fmt: skip


# Levels of compression: of a page in a file, and of one that is served on this machine, which takes a third of the time
# for a tenth more bytes.
_OF_FILE, _OF_SERVED = 6, 2
# Parameter of zlib for gzip's format, with the largest window.
_GZIP: Final = 16 + zlib.MAX_WBITS


def page(document: PageDocument, *, token: str | None = None, title: str = "anomalake") -> bytes:
    """Return the page as HTML.

    Parameters
    ----------
    document
        Content of the page.
    token
        Token that the page's requests for feedback have; None for a page in a file, which may send no requests.
    title
        Title of the page.

    Returns
    -------
    bytes
        UTF-8; equal for equal input.
    """
    body = base64.b64encode(gzipped(document, served=token is not None)).decode("ascii")
    code, application = vega.bundle(), _application()
    parts = {
        "policy": html.escape(_policy((code, application), served=token is not None)),
        "title": html.escape(_plain(title)),
        "token": html.escape(token or ""),
        "notice": vega.notice().replace("--", "‐‐"),
        "style": _asset("page.css"),
        "vega": code,
        "application": application,
        "document": body,
    }
    # In one pass, so that placeholders within the parts are not replaced.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html")).encode("utf-8")


@lru_cache(maxsize=1)
def gzipped(document: PageDocument, *, served: bool) -> bytes:
    """Return a document, packed and gzipped without time and name; equal bytes for equal documents.

    One that is `served` is compressed less, and faster.
    """
    # Cached, because the size is checked before the page is written.
    compressor = zlib.compressobj(_OF_SERVED if served else _OF_FILE, zlib.DEFLATED, _GZIP)
    return b"".join([*map(compressor.compress, packed_parts(document)), compressor.flush()])


def _policy(scripts: tuple[str, ...], *, served: bool) -> str:
    """Return the Content-Security-Policy that permits these scripts only."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"
        for script in scripts
    )
    rules = [
        "default-src 'none'", f"script-src {hashes}", "style-src 'unsafe-inline'", "img-src data: blob:",
        "form-action 'none'", "base-uri 'none'",
    ]  # fmt: skip
    return "; ".join([*rules, "connect-src 'self'"] if served else rules)


@cache
def _application() -> str:
    """Return the specifications of the charts and all scripts, as one module."""
    charts = sorted(_assets().joinpath("charts").iterdir(), key=lambda file: file.name)
    specifications = {
        file.name.removesuffix(".vl.json"): json.loads(file.read_text(encoding="utf-8"))
        for file in charts
        if file.name.endswith(".vl.json")
    }
    literal = json.dumps(specifications, separators=(",", ":"), sort_keys=True)
    code = [f"const SPECS = {literal};", *(_asset(name) for name in SCRIPTS)]
    return vega.inline('"use strict";\n' + "\n".join(code))


@cache
def _asset(name: str) -> str:
    return _assets().joinpath(name).read_text(encoding="utf-8")


def _assets() -> Traversable:
    return files("anomalake.page").joinpath("assets")


def _plain(text: str) -> str:
    """Return a text without characters that HTML forbids."""
    return "".join(character for character in text if character.isprintable()).encode("utf-8", "ignore").decode("utf-8")

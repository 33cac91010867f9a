"""The page: one HTML file that holds a document, the code that draws it, and nothing from elsewhere."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from anomalake.page import vega

#: In the order in which they stand in the page's one module.
SCRIPTS: Final = (
    "text.js", "model.js", "charts.js", "charts-time.js", "charts-live.js", "charts-shares.js",
    "state.js", "filters.js", "pictures.js", "table.js", "groups.js", "group.js", "health.js", "serving.js", "main.js",
)  # fmt: skip


def page(packed: bytes, *, token: str | None = None, title: str = "anomalake") -> bytes:
    """The whole page as HTML.

    Parameters
    ----------
    packed
        As `anomalake.page.document.pack` has it.
    token
        What a request of the page must bear to give feedback; None for a page that nobody serves: that one may not
        send any request.
    title
        What the browser's tab says.

    Returns
    -------
    bytes
        UTF-8; the same for the same input.
    """
    document = base64.b64encode(compressed(packed)).decode("ascii")
    code, application = vega.bundle(), _application()
    parts = {
        "policy": html.escape(_policy((code, application), served=token is not None)),
        "title": html.escape(_plain(title)),
        "token": html.escape(token or ""),
        "notice": vega.notice().replace("--", "‐‐"),
        "style": _asset("page.css"),
        "vega": code,
        "application": application,
        "document": document,
    }
    # In one pass: what is put in is not looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html")).encode("utf-8")


@lru_cache(maxsize=1)
def compressed(packed: bytes) -> bytes:
    """A document as it travels, gzipped: the same bytes for the same document, with no time and no name in them."""
    # The last one is kept: who looks how large it is goes on to show it.
    return gzip.compress(packed, compresslevel=6, mtime=0)


def _policy(scripts: tuple[str, ...], *, served: bool) -> str:
    """Content-Security-Policy: these scripts, and nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode('utf-8')).digest()).decode('ascii')}'" for one in scripts
    )
    rules = [
        "default-src 'none'", f"script-src {hashes}", "style-src 'unsafe-inline'", "img-src data: blob:",
        "form-action 'none'", "base-uri 'none'",
    ]  # fmt: skip
    return "; ".join([*rules, "connect-src 'self'"] if served else rules)


@cache
def _application() -> str:
    """All scripts of the page in one module, behind the charts' specifications."""
    charts = sorted(_assets().joinpath("charts").iterdir(), key=lambda one: one.name)
    specifications = {
        one.name.removesuffix(".vl.json"): json.loads(one.read_text(encoding="utf-8"))
        for one in charts
        if one.name.endswith(".vl.json")
    }
    told = json.dumps(specifications, separators=(",", ":"), sort_keys=True)
    code = [f"const SPECS = {told};", *(_asset(name) for name in SCRIPTS)]
    return vega.inline('"use strict";\n' + "\n".join(code))


@cache
def _asset(name: str) -> str:
    return _assets().joinpath(name).read_text(encoding="utf-8")


def _assets() -> Traversable:
    return files("anomalake.page").joinpath("assets")


def _plain(text: str) -> str:
    """Text without what HTML may not hold at all."""
    return "".join(one for one in text if one.isprintable()).encode("utf-8", "ignore").decode("utf-8")

"""The page as a file: whole, the same each time, and shut."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from pathlib import Path

import pytest
import vl_convert

from anomalake.page import vega
from anomalake.page.document import PageDocument, pack
from anomalake.page.page import SCRIPTS, page
from tests.support import documents

SCRIPT = re.compile(rb"<script([^>]*)>(.*?)</script", re.DOTALL)


@pytest.fixture(scope="module")
def document() -> PageDocument:
    return documents.hostile()


def policy(made: bytes) -> dict[str, list[str]]:
    found = re.search(rb'http-equiv="Content-Security-Policy" content="([^"]*)"', made)
    assert found
    rules = [item.split() for item in html.unescape(found[1].decode()).split(";")]
    return {rule[0]: rule[1:] for rule in rules}


def test_the_same_input_makes_the_same_bytes(document: PageDocument) -> None:
    assert page(document) == page(document)


def test_the_document_comes_out_as_it_went_in(document: PageDocument) -> None:
    body = dict(SCRIPT.findall(page(document)))[b' type="application/octet-stream" id="document"']
    assert gzip.decompress(base64.b64decode(body, validate=True)) == pack(document)


def test_only_the_pages_own_scripts_may_run(document: PageDocument) -> None:
    made = page(document)
    scripts = SCRIPT.findall(made)
    assert [attributes for attributes, _ in scripts] == [
        b' type="module"', b' type="module"', b' type="application/octet-stream" id="document"',
    ]  # fmt: skip
    allowed = policy(made)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'" for _, code in scripts[:2]}
    assert set(allowed["script-src"]) == hashes
    assert allowed["default-src"] == ["'none'"]
    assert allowed["form-action"] == allowed["base-uri"] == ["'none'"]
    assert "connect-src" not in allowed


def test_a_served_page_may_ask_its_server_only(document: PageDocument) -> None:
    made = page(document, token='a"<b>&')
    assert policy(made)["connect-src"] == ["'self'"]
    assert b'<body data-token="a&quot;&lt;b&gt;&amp;">' in made


def test_nothing_of_the_document_stands_in_the_html(document: PageDocument) -> None:
    made = page(document)
    for name in documents.NASTY:
        if len(name) > 8 and name not in ("constructor", "__proto__", "toString"):
            assert name.encode() not in made, name


def test_a_hostile_title_is_text(document: PageDocument) -> None:
    made = page(document, title="</title><script>alert(1)</script>\n\u202e\ud800{{vega}}")
    assert b"<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;{{vega}}</title>" in made
    assert len(SCRIPT.findall(made)) == 3


def test_vegas_licence_stands_beside_it(document: PageDocument) -> None:
    made = page(document).decode()
    comment = made[made.index("<!--") + 4 : made.index("-->")]
    assert "University of Washington Interactive Data Lab" in comment
    assert "BSD-3-Clause" in comment
    assert re.search(r"Vega-Lite \d+\.\d+", comment)
    assert "--" not in comment


@pytest.mark.parametrize("code", ["'</script>'", "`</SCRIPT`", "'<!--'", "'<script>'"])
def test_code_cannot_end_its_element(code: str) -> None:
    made = vega.inline(code)
    assert not re.search(r"</script|<!--|<script", made, re.IGNORECASE)
    assert made.replace("\\x3c", "<") == code


def test_no_asset_reaches_out_or_makes_markup_of_text() -> None:
    made = page(documents.empty()).decode()
    own = SCRIPT.findall(made.encode())[1][1].decode()
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "import(",
    ):
        assert forbidden not in own, forbidden
    outside = re.findall(r"https?://[^\s\"'`)]+", made.split("</style>")[0].split("-->")[1] + own)
    assert {item for item in outside if "vega.github.io/schema" not in item} == set()
    assert len(SCRIPTS) == len(set(SCRIPTS))


def test_vegas_code_is_made_once_and_kept_with_its_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []

    def make(snippet: str) -> str:
        made.append(snippet)
        return "var a = '</script';"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", make)
    expected = "var a = '\\x3c/script';"
    assert [vega.bundle.__wrapped__() for _ in range(2)] == [expected] * 2
    assert len(made) == 1
    (kept,) = (tmp_path / "anomalake").iterdir()
    for body in (kept.read_bytes() + b"alert(1)", b"", b"\xff", kept.read_bytes()[:-1]):
        kept.write_bytes(body)
        assert vega.bundle.__wrapped__() == expected
    assert len(made) == 5
    # A cache that cannot be written changes nothing.
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    assert vega.bundle.__wrapped__() == expected

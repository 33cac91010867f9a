"""Build hooks of the documentation site: pages from outside `docs/`, notebooks as Markdown, and the list of the ADRs.

Documents keep the links that work in the repository. A link to a file that the site shows becomes a link to its page;
a link to another file outside `docs/` stays as it is, so a strict build refuses it.
"""

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: File in the repository, and the page that shows it.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "docs/tour.ipynb": "tour.md",
    "docs/frames.ipynb": "frames.md",
    "events/README.md": "events.md",
}
SOURCES = {page: source for source, page in PAGES.items()}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the architecture decision records in the navigation."""
    for section in config.nav or ():
        if "Design" in section:
            section["Design"] = [f"adr/{record.name}" for record in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages whose files are not in `docs/`; the notebooks themselves are not part of the site."""
    for page, source in SOURCES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_markdown(text) if source.endswith(".ipynb") else text))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change links between files of the repository to links between pages of the site."""
    source = SOURCES.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        if target not in PAGES and not target.startswith("docs/"):
            return found[1]
        target = PAGES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(link, markdown)


def _markdown(notebook: str) -> str:
    """Return a notebook's cells as Markdown: text as it is, code as code blocks."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]
    return "\n\n".join(f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells) + "\n"

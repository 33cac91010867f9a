"""``make trino-answers``: ask a Trino every query of ``tests/contract/trino-answers.json`` again, and rewrite it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from anomalake.errors import AnomalakeError
from anomalake.files import write_whole
from tools.trino.server import Refused, TrinoServer

ANSWERS = Path(__file__).parents[2] / "tests" / "contract" / "trino-answers.json"
#: Length of a refusal; some of Trino's list everything that it expected.
LONGEST_REFUSAL = 200


class AnswersError(AnomalakeError):
    """A file that does not have queries."""


def read_answers(path: Path) -> list[dict[str, Any]]:
    """Read the queries of a file, each with its answer if it has one; raises `AnswersError`."""
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnswersError(f"{path}: cannot be read: {error}") from error
    if not isinstance(items, list):
        raise AnswersError(f"{path}: expected a list of queries")
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("sql"), str):
            raise AnswersError(f'{path}: query {number}: expected {{"sql": "SELECT ..."}}')
    return items


def text_of(items: list[dict[str, Any]]) -> str:
    """Return the text of a file: each query with its answer on a line of its own."""
    lines = [json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def answered(server: TrinoServer, sql: str) -> dict[str, Any]:
    """Return a query with Trino's answer or refusal; raises `TrinoError`."""
    try:
        answer = server.ask(sql)
    except Refused as error:
        return {"sql": sql, "error": str(error)[:LONGEST_REFUSAL]}
    columns = [{"name": name, "type": type_} for name, type_ in answer.columns]
    return {"sql": sql, "columns": columns, "rows": answer.rows}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 1 if a query could not be asked, and leave the file as it was."""
    parser = argparse.ArgumentParser(prog="python -m tools.trino.answers", description=__doc__)
    parser.add_argument("url", metavar="TRINO", help="address of the server, such as http://localhost:8080")
    parser.add_argument("--file", type=Path, default=ANSWERS, help="file with the queries; default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        server = TrinoServer(options.url)
        before = read_answers(options.file)
        after = [answered(server, item["sql"]) for item in before]
        write_whole(options.file, text_of(after).encode())
    except AnomalakeError as error:
        print(f"trino-answers: {error}", file=sys.stderr)
        return 1
    new = sum(len(item) == 1 for item in before)
    changed = sum(old != item for old, item in zip(before, after, strict=True)) - new
    print(f"trino-answers: {len(after)} queries, {new} new, {changed} with another answer")
    return 0


if __name__ == "__main__":
    sys.exit(main())

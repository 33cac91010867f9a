"""The columns that no dimension or measure can have are those of the SQL files."""

from __future__ import annotations

from sqlglot import exp

from anomalake.query import templates
from anomalake.query.templates import EXAMPLE_DIMENSIONS, EXAMPLE_MEASURES, PER_DETECTOR, SCORE_COLUMNS


def test_fixed_columns_are_those_of_the_examples_relations() -> None:
    examples = {
        column
        for name in (*EXAMPLE_DIMENSIONS, *EXAMPLE_MEASURES)
        for column in (name, f"source_{name}", *(template.format(name) for template in SCORE_COLUMNS))
    }
    found = {
        (node.alias if isinstance(node, exp.Alias) else node.name).lower()
        for relation in PER_DETECTOR
        for node in templates.example(relation).find_all(exp.Column, exp.Alias, exp.Dot)
    }
    assert found - examples - {"*"} == templates.FIXED_COLUMNS

"""A benchmark's report: goals are floors or ceilings, and what is missed is said to be."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.report import Figure, ratio, write_report


def test_a_goal_is_the_least_or_the_greatest_value_that_holds() -> None:
    assert Figure("rate", 3.0, 2.5).holds is True
    assert Figure("rate", 2.0, 2.5).holds is False
    assert Figure("seconds", 2.0, 2.5, at_most=True).holds is True
    assert Figure("seconds", 2.5, 2.5, at_most=True).holds is True
    assert Figure("seconds", 2.6, 2.5, at_most=True).holds is False
    assert Figure("rate", 3.0).holds is None
    assert Figure("same", True, 1).holds is True


def test_a_ratio_is_the_median_of_pairs_with_its_spread() -> None:
    figure = ratio("a / b", [2.0, 9.0, 4.0], [1.0, 3.0, 4.0], 2.0)
    assert (figure.value, figure.holds) == (2.0, True)
    assert figure.name == "a / b (1.00 to 3.00 in 3 rounds)"


def test_a_report_has_rows_for_programs_and_a_page_for_people(tmp_path: Path) -> None:
    figures = [Figure("rate", 1234.56789, 1000), Figure("lag", 3.0, 2.0, at_most=True)]
    page = write_report(
        "speed", figures, heading="Speed", about="Two cores.", command="go", seed=4, folder=tmp_path
    )
    assert (tmp_path / "speed.md").read_text() == page
    assert json.loads((tmp_path / "speed.json").read_text()) == [
        {
            "name": "rate",
            "value": 1234.5679,
            "goal": 1000,
            "holds": True,
            "command": "go",
            "seed": 4,
        },
        {"name": "lag", "value": 3.0, "goal": 2.0, "holds": False, "command": "go", "seed": 4},
    ]
    assert "| rate | 1,234.5679 | >= 1,000 | yes |" in page
    assert "| lag | 3.0 | <= 2 | **no** |" in page

"""Rows of the report, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

SEED = 1


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    table, model, metric, value
        What was measured.
    goal, holds
        What it should reach, and whether it does; None where nothing is promised.
    interval
        95 % bootstrap interval over users, of our own figures.
    """

    table: str
    model: str
    metric: str
    value: float
    goal: float | None = None
    holds: bool | None = None
    interval: tuple[float, float] | None = None


def write_reports(rows: Sequence[Row], folder: Path, *, command: str) -> str:
    """Write quality.json and quality.md; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [
        {
            "name": f"{row.table}, {row.model}, {row.metric}",
            "value": round(row.value, 5),
            "goal": row.goal,
            "holds": row.holds,
            "command": command,
            "seed": SEED,
        }
        for row in rows
    ]
    (folder / "quality.json").write_text(json.dumps(records, indent=2) + "\n")
    page = _page(rows, command)
    (folder / "quality.md").write_text(page)
    return page


def _page(rows: Sequence[Row], command: str) -> str:
    lines = ["# Quality", "", f"`{command}`, seed {SEED}", ""]
    lines += ["Published rows are quoted; all others were measured in this run."]
    for table, of_table in groupby(rows, key=lambda row: row.table):
        lines += ["", f"## {table}", "", "| model | metric | value | 95 % | goal | holds |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in of_table:
            between = "" if row.interval is None else "{:.4f} to {:.4f}".format(*row.interval)
            goal = "" if row.goal is None else f"{row.goal:.4f}"
            holds = "" if row.holds is None else ("yes" if row.holds else "no")
            lines.append(
                f"| {row.model} | {row.metric} | {row.value:.4f} | {between} | {goal} | {holds} |"
            )
    return "\n".join(lines) + "\n"

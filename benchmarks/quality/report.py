"""Rows of the report, as JSON and as a page: those of this run, and of tables run before.

The rows of a table are kept beside its lists, in ``rows.json``; the report is made of all that
there are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


def keep_rows(rows: Sequence[Row], home: Path, *, command: str, about: str) -> None:
    """Keep a table's rows, the command that made them, and a sentence on data and protocol."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {"command": command, "about": about, "rows": [asdict(row) for row in rows]}
    (home / "rows.json").write_text(json.dumps(kept, indent=2) + "\n")


def write_reports(out: Path, tables: Sequence[str], folder: Path) -> str:
    """Write quality.json and quality.md of the tables that have been run; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        json.loads((out / table / "rows.json").read_text())
        for table in tables
        if (out / table / "rows.json").exists()
    ]
    records = [
        {
            "name": f"{row['table']}, {row['model']}, {row['metric']}",
            "value": round(row["value"], 5),
            "goal": row["goal"],
            "holds": row["holds"],
            "command": kept["command"],
            "seed": SEED,
        }
        for kept in found
        for row in kept["rows"]
    ]
    (folder / "quality.json").write_text(json.dumps(records, indent=2) + "\n")
    lines = ["# Quality", "", f"Published rows are quoted, all others measured; seed {SEED}."]
    for kept in found:
        table = kept["rows"][0]["table"]
        lines += ["", f"## {table}", "", f"{kept['about']}.", "", f"`{kept['command']}`", ""]
        lines += ["| model | metric | value | 95 % | goal | holds |", "|---|---|---|---|---|---|"]
        lines += [_line(Row(**row)) for row in kept["rows"]]
    page = "\n".join(lines) + "\n"
    (folder / "quality.md").write_text(page)
    return page


def _line(row: Row) -> str:
    between = "" if row.interval is None else "{:.4f} to {:.4f}".format(*row.interval)
    goal = "" if row.goal is None else f"{row.goal:.4f}"
    holds = "" if row.holds is None else ("yes" if row.holds else "no")
    return f"| {row.model} | {row.metric} | {row.value:.4f} | {between} | {goal} | {holds} |"

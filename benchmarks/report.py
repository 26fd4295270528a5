"""The report of a benchmark: its figures as JSON rows for programs and as a page for people."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parent / "reports"


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name, value
        What was measured, its unit in the name.
    goal
        What it should reach; None where nothing is promised.
    at_most
        The goal is the greatest value that holds, and not the least.
    """

    name: str
    value: float
    goal: float | None = None
    at_most: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    @property
    def row(self) -> dict[str, Any]:
        """The figure as a JSON row, but for the command that repeats it."""
        value = round(float(self.value), 4)
        return {"name": self.name, "value": value, "goal": self.goal, "holds": self.holds}

    @property
    def line(self) -> str:
        """The figure as a line of the page's table."""
        sign = "<=" if self.at_most else ">="
        goal = "" if self.goal is None else f"{sign} {self.goal:,g}"
        holds = {None: "", True: "yes", False: "**no**"}[self.holds]
        return f"| {self.name} | {round(float(self.value), 4):,} | {goal} | {holds} |"


def ratio(
    name: str, of: Sequence[float], to: Sequence[float], goal: float, *, at_most: bool = False
) -> Figure:
    """The median of ratios taken pair by pair, its spread in the name."""
    ratios = [one / other for one, other in zip(of, to, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds"
    return Figure(f"{name} ({spread})", statistics.median(ratios), goal, at_most)


def write_report(
    name: str,
    figures: Sequence[Figure],
    *,
    heading: str,
    about: str,
    command: str,
    seed: int,
    folder: Path = REPORTS,
) -> str:
    """Write ``NAME.json`` and ``NAME.md``, and return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [each.row | {"command": command, "seed": seed} for each in figures]
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [f"# {heading}", "", about, "", f"`{command}`, seed {seed}.", ""]
    lines += ["| figure | value | goal | holds |", "|---|---|---|---|"]
    page = "\n".join([*lines, *(each.line for each in figures)]) + "\n"
    (folder / f"{name}.md").write_text(page)
    return page

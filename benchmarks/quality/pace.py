"""What the whole model costs beside one of its sources: fitted and ranked for all users."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.quality.report import Row
from benchmarks.quality.settings import TableSettings
from benchmarks.quality.tables import Table
from benchmarks.speed.kernel import seconds
from recsys_batch.models.sources import FactorSource
from recsys_batch.ranking.cuts import fit_sources
from recsys_batch.ranking.features import make_history
from recsys_batch.ranking.stack import Stack
from recsys_batch.topn import top_n

GOAL = 3.0  # times one source


def pace_rows(
    name: str, source: str, stack: Stack, table: Table, settings: TableSettings, *, n: int
) -> list[Row]:
    """Seconds from interactions to lists of n for all tested users, by the source and by all.

    The source alone goes the shortest way there is: its factors through the top-N kernel. What a
    stack has chosen (weights, trees) is taken as chosen. Each runs once, on one thread.

    Parameters
    ----------
    source
        Name of a source whose scores are products of factors.
    """
    rows, data = table.rows, table.data
    exclude = data.weights[rows]

    def alone() -> None:
        fitted = settings.stack.sources[source].fit(data)
        assert isinstance(fitted, FactorSource)
        top_n(fitted.users[rows], fitted.items, n=n, exclude=exclude, threads=1)

    def whole() -> None:
        fitted = fit_sources(data, settings.stack.sources, threads=1, say=lambda _line: None)
        again = replace(stack, sources=fitted, history=make_history(data.weights))
        again.rank(rows, n=n, exclude=exclude)

    one, all_ = seconds(alone), seconds(whole)
    what = f"fitted, and lists of {n} for {len(rows):,} users"
    return [
        Row(name, f"{source} alone", f"seconds, {what}", one),
        Row(name, "ours", f"seconds, {what}", all_),
        Row(
            name,
            f"ours over {source} alone",
            "times the seconds",
            all_ / one,
            GOAL,
            all_ <= GOAL * one,
        ),
    ]

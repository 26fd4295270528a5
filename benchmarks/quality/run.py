"""Quality on public tables: every published row beside ours, from one run.

    python -m benchmarks.quality.run                     # every table
    python -m benchmarks.quality.run --table gowalla

For each table `TABLE.yaml` beside this file holds the model; its hyperparameters were found on a
validation split of the training data. The tables of `benchmarks.quality.natures` have none: there
the shipped pipeline chooses by itself, in a Spark session of its own. The lists that were scored
are left in ``benchmarks/out/TABLE/lists.parquet`` (user, item, rank, in the source's ids), and the
report is made of all tables that have been run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # equal bits on any number of cores

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from benchmarks.quality import coat, natures
from benchmarks.quality.pace import pace_rows
from benchmarks.quality.report import Row, keep_rows, write_reports
from benchmarks.quality.sar import fit_sar
from benchmarks.quality.score import candidate_recalls, each_user, source_lists, stack_lists
from benchmarks.quality.settings import TableSettings, table_settings
from benchmarks.quality.tables import DATASETS, TABLES, Table
from recsys_batch.evaluation.intervals import mean_intervals
from recsys_batch.models.sources import SourceData
from recsys_batch.ranking.stack import Stack, fit_stack

ROOT = Path(__file__).resolve().parents[2]
LIST_LENGTH = 100
ALL = (*TABLES, "coat", *natures.NATURES)
PEERS = {"SAR": fit_sar}  # models of others that are no source of ours


def run_table(
    name: str,
    table: Table,
    settings: TableSettings,
    *,
    data: Path,
    out: Path,
    say: Callable[[str], None],
) -> list[Row]:
    """Fit, rank, score and write the lists of one table."""
    rows = [
        Row(name, f"published: {model}", metric, value)
        for model, figures in settings.published.items()
        for metric, value in zip(settings.metrics, figures, strict=True)
    ]
    for model, check in settings.checks.items():
        if model in PEERS:
            fitted, weights = {model: PEERS[model](data, table)}, {model: 1.0}
        else:
            fitted = {each: source.fit(table.data) for each, source in check.sources.items()}
            weights = check.weights
        lists = source_lists(fitted, weights, table, n=settings.k)
        for metric, value in _means(lists, table, settings).items():
            close = abs(value - check.published[metric]) <= check.tolerance
            rows.append(
                Row(name, f"recomputed: {model}", metric, value, check.published[metric], close)
            )
        say(f"recomputed {model}")
    stack = fit_stack(
        table.data, settings.stack, given=None if table.given is None else _negatives, say=say
    )
    lists = stack_lists(stack, table, n=LIST_LENGTH)
    say("ranked the test users")
    for source in stack.sources:
        rows += _ours(name, f"ours, {source} alone", source, lists[source], table, settings)
    for model in ("ours, blend", "ours"):
        rows += _ours(name, model, model, lists[model], table, settings)
    rows += _ceilings(name, stack, table, settings)
    if settings.paced is not None:
        rows += pace_rows(name, settings.paced, stack, table, settings, n=LIST_LENGTH)
        say(f"timed beside {settings.paced} alone")
    write_lists(lists["ours"], table, out / name / "lists.parquet")
    (out / name / "choices.json").write_text(json.dumps(_choices(stack), indent=2) + "\n")
    return rows


def _means(lists: np.ndarray, table: Table, settings: TableSettings) -> dict[str, float]:
    values = each_user(lists, table, names=settings.metrics, k=settings.k)
    return {name: float(np.nanmean(each)) for name, each in values.items()}


def _ours(
    name: str, model: str, goals: str, lists: np.ndarray, table: Table, settings: TableSettings
) -> list[Row]:
    values = each_user(lists, table, names=settings.metrics, k=settings.k)
    intervals = mean_intervals(
        np.column_stack(list(values.values())), resamples=1000, confidence=0.95, seed=0
    )
    wanted = settings.goals.get(goals, (None,) * len(intervals))
    return [
        Row(
            name,
            model,
            metric,
            interval.value,
            goal,
            None if goal is None else interval.value >= goal,
            (interval.low, interval.high),
        )
        for metric, interval, goal in zip(values, intervals, wanted, strict=True)
    ]


def _ceilings(name: str, stack: Stack, table: Table, settings: TableSettings) -> list[Row]:
    if not settings.recall_at:
        return []
    found = candidate_recalls(stack, table, depths=settings.recall_at, users=settings.recall_users)
    return [
        Row(name, f"candidates, {source}", f"recall@{depth}", value)
        for (source, depth), value in found.items()
    ]


def _choices(stack: Stack) -> dict[str, object]:
    """What validation chose, for the record."""
    fitted, trial = stack.fitted_blend, stack.trial
    return {
        "weights": dict(zip(fitted.blend.sources, fitted.blend.weights, strict=True)),
        "validation ndcg of the blend": fitted.validation,
        "validation ndcg alone": fitted.singles,
        "re-ranker": None if trial is None else {**asdict(trial), "used": trial.best},
    }


def _negatives(
    kept: SourceData, cut: sparse.csr_matrix, rows: npt.NDArray[np.integer]
) -> npt.NDArray[np.int32]:
    """Validation as in the protocol: what was cut off, among 99 drawn items never touched."""
    rng = np.random.default_rng(0)
    items = np.empty((len(rows), 100), dtype=np.int32)
    for place, row in enumerate(rows):
        own = [matrix[[row]].indices for matrix in (kept.weights, cut)]
        free = np.setdiff1d(np.arange(cut.shape[1]), np.concatenate(own))
        drawn = rng.choice(free, 100 - len(own[1]), replace=False)
        items[place] = np.sort(np.concatenate([own[1], drawn]))
    return items


def write_lists(lists: np.ndarray, table: Table, path: Path) -> None:
    """Write user, item, rank (from 1) in the source's ids."""
    users, places = np.nonzero(lists >= 0)
    frame = pd.DataFrame(
        {
            "user": table.users[table.rows[users]],
            "item": table.items[lists[users, places]],
            "rank": (places + 1).astype(np.int32),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)


def main() -> None:
    """Run the tables asked for and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="append", choices=ALL)
    parser.add_argument("--data", type=Path, default=DATASETS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    parser.add_argument("--reports", type=Path, default=ROOT / "benchmarks" / "reports")
    given = parser.parse_args()
    began = time.perf_counter()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.perf_counter() - began:7.1f} s  {line}\n")

    for name in given.table or ALL:
        say(f"{name}: begun")
        if name == "coat":
            rows, about = coat.run(given.data, out=given.out), coat.ABOUT
        elif name in natures.NATURES:
            nature = natures.NATURES[name]
            rows = natures.run(name, nature, data=given.data, out=given.out, say=say)
            about = f"{nature.about}. {natures.PROTOCOL}"
        else:
            settings, table = table_settings(name), TABLES[name](given.data)
            about = f"{settings.about}. {settings.found.rstrip('.')}"
            rows = run_table(name, table, settings, data=given.data, out=given.out, say=say)
        command = f"python -m benchmarks.quality.run --table {name}"
        keep_rows(rows, given.out / name, command=command, about=about)
    sys.stdout.write(write_reports(given.out, ALL, given.reports))


if __name__ == "__main__":
    main()

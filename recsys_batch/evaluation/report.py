"""The quality table: every model's metrics with intervals, and its difference from popularity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from recsys_batch import columns as c
from recsys_batch.errors import ContractError
from recsys_batch.evaluation.intervals import paired
from recsys_batch.evaluation.rows import metric_label, number
from recsys_batch.evaluation.scores import Scores

BASELINE = "popularity"
EXACT = "float32 factors"
_WIDTH = 1000  # of the console: a table is as wide as its cells, and nothing is cut off
_BOX = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
SHOWN = ("ndcg", "precision", "recall", "map", "hit_rate", "coverage")


def quality_rows(models: Mapping[str, Scores], *, baseline: str = BASELINE) -> list[dict[str, Any]]:
    """Return one row a model and metric, with its paired difference from the baseline.

    Parameters
    ----------
    models
        Scores by model name, all on the same users, in the order to be shown.
    baseline
        Name of the model the others are compared with.

    Returns
    -------
    list of dict
        model, metric (``ndcg@10``), value, low, high, users; difference, difference_low,
        difference_high, p_value and holds (the interval lies above zero), which are None for the
        baseline, and but for the difference also for metrics without a value a user.

    Raises
    ------
    ContractError
        The baseline is not among the models, or numbers of users differ.
    """
    if baseline not in models:
        raise ContractError(
            f"there is no model {baseline!r} among {', '.join(models)}",
            where="quality table",
            fix="evaluate the baseline on the same hold-out and pass its scores too",
        )
    rows = []
    for model, scores in models.items():
        for row in scores.table(model=model).to_pylist():
            name = row[c.METRIC].partition("@")[0]
            reference = None if model == baseline else models[baseline]
            rows.append(row | _difference(name, scores, reference))
    return rows


def rounding_loss(scores: Mapping[str, Scores]) -> list[str]:
    """What factors in fewer bits lose, in a sentence; none where they were not rounded."""
    if EXACT not in scores:
        return []
    rounded, exact = scores["lists"], scores[EXACT]
    settings = rounded.settings
    apart = paired(
        rounded.per_user["ndcg"],
        exact.per_user["ndcg"],
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    ).difference
    return [
        f"factors are rounded: {metric_label(rounded.key('ndcg'))} "
        f"{rounded.means['ndcg'].value:.4f} against {exact.means['ndcg'].value:.4f} in float32 "
        f"({settings.confidence:.0%} of the difference in {apart.low:+.4f} to {apart.high:+.4f})"
    ]


def quality_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw `quality_rows` as plain ASCII text about 120 columns wide, one row a model.

    Each cell is the value over its interval; the last column is the difference of the first
    metric from the baseline, and whether its interval lies above zero. Figures that cannot be
    had are dashes.
    """
    by_model: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row[c.MODEL], {})[row[c.METRIC]] = row
    keys = _shown_keys(rows)
    table = Table(box=_BOX, padding=(0, 1, 1, 0), pad_edge=False)
    table.add_column("model", no_wrap=True)
    for key in keys:
        table.add_column(metric_label(key), no_wrap=True, justify="right")
    if keys:
        table.add_column(f"{metric_label(keys[0])} vs {BASELINE}", no_wrap=True)
    for model, found in by_model.items():
        cells = [_cell(found.get(key, {}), c.VALUE, c.LOW, c.HIGH) for key in keys]
        table.add_row(model, *cells, *[_verdict(found.get(key, {})) for key in keys[:1]])
    out = StringIO()
    Console(file=out, width=_WIDTH, color_system=None, markup=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip("\n")


def _difference(name: str, scores: Scores, reference: Scores | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("difference", "difference_low", "difference_high", "p_value", "holds")
    )
    if reference is None:
        return row
    if name not in scores.per_user or name not in reference.per_user:
        if name in scores.catalogue and name in reference.catalogue:
            ours, theirs = scores.catalogue[name].value, reference.catalogue[name].value
            row["difference"] = number(ours - theirs)
        return row
    used = scores.settings
    found = paired(
        scores.per_user[name],
        reference.per_user[name],
        resamples=used.resamples,
        confidence=used.confidence,
        seed=used.seed,
    )
    return {
        "difference": number(found.difference.value),
        "difference_low": number(found.difference.low),
        "difference_high": number(found.difference.high),
        "p_value": number(found.p_value),
        "holds": found.holds if np.isfinite(found.difference.low) else None,
    }


def _shown_keys(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(row[c.METRIC] for row in rows)
    return [key for name in SHOWN for key in keys if key.partition("@")[0] == name]


def _cell(row: Mapping[str, Any], value: str, low: str, high: str, sign: str = "") -> str:
    if row.get(value) is None:
        return "-"
    if row.get(low) is None:
        return _figure(row[value], sign)
    ends = f"[{_figure(row[low], sign)}, {_figure(row[high], sign)}]"
    return f"{_figure(row[value], sign)}\n{ends}"


def _figure(value: float, sign: str) -> str:
    """Write four decimals without a leading zero, as tables of this field do: ``.0340``."""
    return f"{value:{sign}.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:{sign}.4f}"


def _verdict(row: Mapping[str, Any]) -> str:
    if row.get("difference") is None:
        return "-"
    text = _cell(row, "difference", "difference_low", "difference_high", "+")
    if row["holds"] is None:
        return text
    if row["holds"]:
        return f"{text}\nbetter"
    return f"{text}\n{'worse' if row['difference_high'] < 0 else 'not shown to be better'}"

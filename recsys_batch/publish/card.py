"""The model card of a run: what it was made of, how it was chosen, how good it is, where it ends.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recsys_batch import columns as c

_SHOWN = ("ndcg", "precision", "recall", "hit_rate", "coverage", "cold_users", "ece")


def card_path(home: Path, run_id: str) -> Path:
    """Where a run's card lies."""
    return home / "cards" / f"{run_id}.md"


def model_card(
    manifest: Mapping[str, Any],
    *,
    dataset: str,
    recipe: Mapping[str, Any],
    metrics: Iterable[Mapping[str, Any]],
    segments: Iterable[Mapping[str, Any]],
    decision: Mapping[str, Any],
    rules: str,
) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    manifest
        Of the publication.
    recipe
        The run's row of `recipes`.
    metrics, segments, decision
        Its rows of `metrics` and `segments`, and its row of `decisions`.
    rules
        Version of the rules.
    """
    made = manifest["recipe"]
    lines = [
        f"# {dataset}: {manifest['publication_id']}",
        "",
        f"Top-N lists of {manifest['as_of']} for {manifest['rows']['topn_user']} users, from "
        f"{manifest['events']} events (digest `{manifest['events_digest'][:16]}`), by code "
        f"`{manifest['code_version']}` under rules `{rules}`.",
        "",
        "## What it is made of",
        "",
        f"- Interest halves in {_days(made['interest_half_life_days'])}, popularity in "
        f"{_days(made['popularity_half_life_days'])}; what a user has seen is "
        f"{'listed' if made['seen'] == 'allow' else 'left out'}.",
        f"- Users without a history get what the source `{made['newcomers']}` says.",
        f"- Fitted on the features of {recipe['fit_day']}{_folded(manifest, recipe)}.",
        f"- Re-ranker: {_reranker(made['trees'])}.",
        f"- Scores before rules {_calibration(made['calibration'])}.",
        "",
        "| source | weight | settings |",
        "|---|---|---|",
        *(
            f"| {name} | {made['weights'][name]:.4g} | `{json.dumps(settings, sort_keys=True)}` |"
            for name, settings in made["sources"].items()
        ),
        "",
        "## Why",
        "",
        f"Chosen as recipe `{recipe['recipe_id']}` by {recipe['trials']} trials in "
        f"{recipe['seconds']:.0f} s on the log before {recipe['until']}:",
        "",
        *(f"- {reason}" for reason in recipe["reasons"]),
        "",
        "## How good it is",
        "",
        "On the held-out days, which nothing above has looked at; the mean over users and its "
        "interval.",
        "",
        *_figures(list(metrics)),
        "",
        "### By segment",
        "",
        *_parts(list(segments)),
        "",
        f"The gate {'let it pass' if decision['passed'] else 'kept the champion'}:",
        "",
        *(f"- {reason}" for reason in decision["reasons"]),
        "",
        "## Where it ends",
        "",
        "- It is measured by what users took of what they were shown before, not by what lists "
        "make them do.",
        "- A weight or a half-life is what served this log best, and no statement on why people "
        "act.",
        "- Items that nobody has touched are ranked by their texts alone.",
    ]
    return "\n".join(lines) + "\n"


def _folded(manifest: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    if str(recipe["fit_day"]) == manifest["as_of"]:
        return ""
    return "; what came since is folded in"


def _reranker(trees: Mapping[str, Any] | None) -> str:
    if trees is None:
        return "none, the weights order"
    ways = {"lambdarank": "added to the weighted sum", "pointwise": "in the weighted sum's place"}
    return f"{trees['name']}, {ways[trees['kind']]}"


def _calibration(kind: str | None) -> str:
    if kind is None:
        return "are no probabilities"
    return (
        f"are calibrated ({kind}) to the probability that a user who comes back acts on the item "
        "within the days of a hold-out"
    )


def _days(half_life: float | None) -> str:
    return "no time" if half_life is None else f"{half_life:g} days"


def _figures(metrics: list[Mapping[str, Any]]) -> list[str]:
    keys = list(
        dict.fromkeys(row[c.METRIC] for row in metrics if row[c.METRIC].partition("@")[0] in _SHOWN)
    )
    by_model: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in metrics:
        by_model.setdefault(row[c.MODEL], {})[row[c.METRIC]] = row
    head = [f"| model | {' | '.join(keys)} |", f"|---|{'---|' * len(keys)}"]
    rows = [
        f"| {model} | {' | '.join(_cell(found.get(key)) for key in keys)} |"
        for model, found in sorted(by_model.items(), key=lambda each: each[0] != "lists")
    ]
    return head + rows


def _parts(segments: list[Mapping[str, Any]]) -> list[str]:
    """NDCG of the lists and of popularity in each segment."""
    names = [row[c.METRIC] for row in segments if row[c.METRIC].startswith("ndcg")]
    cells: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in segments:
        if row[c.METRIC] in names:
            cells.setdefault((row[c.DIMENSION], row[c.SEGMENT]), {})[row[c.MODEL]] = row
    head = ["| | | users | lists | popularity |", "|---|---|---|---|---|"]
    return head + [
        f"| {dimension} | {segment} | {found['lists'][c.USERS]} | {_cell(found['lists'])} "
        f"| {_cell(found.get('popularity'))} |"
        for (dimension, segment), found in sorted(cells.items())
    ]


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row[c.VALUE] is None:
        return "-"
    ends = "" if row[c.LOW] is None else f" [{row[c.LOW]:.4f}, {row[c.HIGH]:.4f}]"
    return f"{row[c.VALUE]:.4f}{ends}"

"""Temporal hold-out against popularity and the champion; the gate decides and writes why."""

from __future__ import annotations

from recsys_batch import columns as c
from recsys_batch.evaluation.backtest import backtest
from recsys_batch.evaluation.contenders import contenders
from recsys_batch.evaluation.gate import Decision, decide
from recsys_batch.evaluation.report import quality_rows, quality_table
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.tables import TABLES
from recsys_batch.models.champion import log_metrics
from recsys_batch.models.recipes import recipe_digest, stored_recipe
from recsys_batch.models.training import fit_factors
from recsys_batch.publish.pointer import read_current


def run(job: Job) -> Decision:
    """Score the run's recipe on the held-out days, decide, and store metrics and decision."""
    opened, lake, settings = job.open_run(), job.lake, job.settings
    run_id, live = opened.run_id, read_current(job.home)
    pairs = lake.read("interactions", run_id=run_id, part="train").toArrow()
    champion, fitted = stored_recipe(job.home, live) if live else None, None
    if champion is not None and champion != settings.als:
        steps = job.steps("fitting the champion's recipe")
        fitted = fit_factors(pairs, recipe=champion, limits=settings.features, progress=steps)
    job.progress("scoring", 0, 1)
    compared = contenders(lake, run_id=run_id, champion=fitted)
    items = lake.read("items", run_id=run_id).select(c.ITEM_ID, c.CATEGORY).toArrow()
    scores = backtest(
        compared.models,
        compared.holdout,
        interactions=pairs,
        categories=items.sort_by(c.ITEM_ID)[c.CATEGORY].combine_chunks(),
        settings=settings.evaluation,
        exclude_seen=settings.recommend.seen == "exclude",
    )
    decision = decide(
        challenger=scores["lists"],
        popularity=scores["popularity"],
        champion=scores.get("champion"),
        settings=settings.gate,
        challenger_recipe=recipe_digest(settings.als),
        champion_recipe=None if champion is None else recipe_digest(champion),
    )
    rows = [{**row, c.RUN_ID: run_id} for row in quality_rows(scores)]
    stored = [{name: row[name] for name in TABLES["metrics"].names} for row in rows]
    replace_rows(job.home, "metrics", stored, run_id=run_id)
    verdict = {c.RUN_ID: run_id, **decision.to_dict()}
    replace_rows(job.home, "decisions", [verdict], run_id=run_id)
    reached = {row[c.METRIC]: row[c.VALUE] for row in rows if row[c.MODEL] == "lists"}
    log_metrics(job.home, settings, opened, reached)
    job.say(quality_table(quality_rows(scores)))
    return decision


if __name__ == "__main__":
    main("evaluate", run)

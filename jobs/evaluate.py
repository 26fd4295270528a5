"""Temporal hold-out against popularity and the champion; the gate decides and writes why."""

from __future__ import annotations

import datetime as dt
from functools import partial

from recsys_batch import columns as c
from recsys_batch.evaluation.backtest import backtest, list_depth
from recsys_batch.evaluation.breakdown import breakdown
from recsys_batch.evaluation.gate import Decision, decide
from recsys_batch.evaluation.report import BASELINE, quality_rows, quality_table, rounding_loss
from recsys_batch.features.tables import part_ends
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.tables import TABLES
from recsys_batch.models.champion import log_metrics
from recsys_batch.models.recipes import stored_recipe
from recsys_batch.publish.pointer import read_current
from recsys_batch.ranking.backtest import read_holdout
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.stored import model_path, remove_unfinished


def run(job: Job) -> Decision:
    """Score the run's recipe on the held-out days, decide, and store metrics and decision."""
    opened, settings = job.open_run(), job.settings
    run_id, measured = opened.run_id, settings.evaluation
    live, fit = read_current(job.home), job.als_engine(run_id)
    model = load_model(model_path(job.home, run_id, "train"))
    champion = stored_recipe(job.home, live) if live else None
    job.progress("scoring", 0, 1)
    day = part_ends(job.day, settings)["train"] - dt.timedelta(days=1)
    under = partial(Ranker, policy=job.policy, as_of=day, run_id=run_id, n=list_depth(measured))
    holdout = read_holdout(job.home, run_id=run_id, trained_on=model.trained_on)
    found = backtest(model, holdout, under=under, champion=champion, settings=measured, fit_als=fit)
    decision = decide(
        challenger=found.scores["lists"],
        popularity=found.scores[BASELINE],
        champion=found.scores.get("champion"),
        settings=settings.gate,
        challenger_recipe=model.recipe.digest(),
        champion_recipe=None if champion is None else champion.digest(),
    )
    rows = [{**row, c.RUN_ID: run_id} for row in quality_rows(found.scores)]
    stored = [{name: row[name] for name in TABLES["metrics"].names} for row in rows]
    replace_rows(job.home, "metrics", stored, run_id=run_id)
    parts = breakdown(found, holdout, model.trained_on, settings=measured)
    replace_rows(job.home, "segments", [{**row, c.RUN_ID: run_id} for row in parts], run_id=run_id)
    replace_rows(job.home, "decisions", [{**decision.to_dict(), c.RUN_ID: run_id}], run_id=run_id)
    reached = {row[c.METRIC]: row[c.VALUE] for row in rows if row[c.MODEL] == "lists"}
    log_metrics(job.home, settings, opened, reached)
    remove_unfinished(job.home, run_id)  # those of the champion
    job.say("\n".join([quality_table(rows), *rounding_loss(found.scores)]))
    return decision


if __name__ == "__main__":
    main("evaluate", run)

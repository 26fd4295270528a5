"""Choose half-lives, sources and weights by the log itself, where no earlier choice still holds."""

from __future__ import annotations

import datetime as dt
from functools import partial

from recsys_batch import columns as c
from recsys_batch.features.inputs import Inputs
from recsys_batch.features.tables import part_ends
from recsys_batch.ingest.days import first_day, inputs_digest
from recsys_batch.ingest.pseudonyms import content_digest
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.models.champion import log_trials
from recsys_batch.models.recipes import Recipe
from recsys_batch.tuning.collect import read_log
from recsys_batch.tuning.drift import searched_until
from recsys_batch.tuning.recipes import choose_recipe, fitted_on

_HOLDS = "recipe {}, chosen by the log up to {}, holds"


def run(job: Job) -> Recipe:
    """Store the run's recipe: an earlier one of the same log, settings and code, or a new one."""
    opened, settings = job.open_run(), job.settings
    if stored := read_rows(job.home, "recipes", run_id=opened.run_id):
        job.say(_HOLDS.format(stored[0]["recipe_id"], stored[0]["until"]))
        return Recipe.model_validate_json(stored[0]["recipe"])
    cutoff = part_ends(job.day, settings)["train"]
    first = first_day(job.home, horizon=opened.horizon)
    until, changed = searched_until(job.lake, settings, first, cutoff, horizon=opened.horizon)
    seen, last = Inputs.before(job.lake, until, horizon=opened.horizon), until - dt.timedelta(1)
    log, _ = inputs_digest(job.home, last_day=last, horizon=opened.horizon, heeded=seen.heeded())
    recipe_id = content_digest(log, opened.config_digest, opened.code_version)[:16]
    if known := read_rows(job.home, "recipes", recipe_id=recipe_id):
        row = {**known[0], c.RUN_ID: opened.run_id}
        job.say(_HOLDS.format(recipe_id, until))
    else:
        journal = job.home / "tuning" / f"{recipe_id}.jsonl"
        job.progress("searching the log", 0, 0)
        choice = choose_recipe(
            partial(read_log, seen, settings),
            until=until,
            settings=settings,
            journal=journal,
            say=job.say,
            changed=changed,
        )
        log_trials(job.home, settings, recipe_id, choice.trials)
        journal.unlink(missing_ok=True)
        row = {c.RUN_ID: opened.run_id, "recipe_id": recipe_id, "until": until, **choice.row()}
        job.say(f"recipe {recipe_id}: {len(choice.trials)} trials in {choice.seconds:.1f} s")
    fit_day = fitted_on(first, job.day, until, settings=settings)
    replace_rows(job.home, "recipes", [{**row, "fit_day": fit_day}], run_id=opened.run_id)
    return Recipe.model_validate_json(row["recipe"])


if __name__ == "__main__":
    main("tune", run)

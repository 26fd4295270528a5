"""Fit the recipe's sources, or fold the day into an earlier fit; register the challenger."""

from __future__ import annotations

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.fits import part_models
from recsys_batch.job import Job, main
from recsys_batch.lake.arrow import replace_table
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.models.champion import register_challenger
from recsys_batch.models.factors import factor_tables
from recsys_batch.models.recipes import run_recipe
from recsys_batch.models.serving import FactorTables
from recsys_batch.ranking.stored import keep_latest, model_path, remove_unfinished


def run(job: Job) -> str:
    """Make the models of all events, and of those before the hold-out; return the version."""
    opened, lake = job.open_run(), job.lake
    run_id, recipe = opened.run_id, run_recipe(job.home, opened.run_id)
    made: dict[str, list[pa.Table]] = {"user_factors": [], "item_factors": []}
    for each in part_models(job, opened, recipe):
        served = each.model.rounded() if each.part == "full" else each.model
        served.save(model_path(job.home, run_id, each.part))
        factors = factor_tables(each.known, each.model.factors, run_id=run_id, part=each.part)
        for name, table in factors.items():
            made[name].append(table)
    keep_latest(job.home)
    for name, parts in made.items():
        replace_table(job.home, name, pa.concat_tables(parts), run_id=run_id)
    job.progress("registering the model", 2, 3)
    version, tracked = register_challenger(
        job.home,
        job.settings,
        opened,
        recipe,
        tables=FactorTables(
            user_factors=lake.path("user_factors"),
            user_version=lake.version("user_factors"),
            item_factors=lake.path("item_factors"),
            item_version=lake.version("item_factors"),
            run_id=run_id,
        ),
        versions={name: lake.version(name) for name in ("events", "interactions")},
        metrics={name: len(parts[-1]) for name, parts in made.items()},
    )
    row = {c.RUN_ID: run_id, "recipe": recipe.text(), "model_version": version}
    replace_rows(job.home, "models", [{**row, "mlflow_run": tracked}], run_id=run_id)
    remove_unfinished(job.home, run_id)
    job.say(f"model {version}: {', '.join(recipe.sources)}")
    return version


if __name__ == "__main__":
    main("train", run)

"""Fit the recipe's sources on the interactions and register the model as challenger."""

from __future__ import annotations

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.features.tables import part_ends
from recsys_batch.job import Job, main
from recsys_batch.lake.arrow import replace_table
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.models.champion import register_challenger
from recsys_batch.models.factors import factor_tables
from recsys_batch.models.recipes import run_recipe
from recsys_batch.models.serving import FactorTables
from recsys_batch.models.training import read_training
from recsys_batch.ranking.model import fit_model
from recsys_batch.ranking.stored import keep_latest, model_path


def run(job: Job) -> str:
    """Fit on all events, and on those before the hold-out; return the model's version."""
    opened, lake = job.open_run(), job.lake
    run_id, precision = opened.run_id, job.settings.model.precision
    recipe, engine = run_recipe(job.home, run_id), job.als_engine(run_id)
    made: dict[str, list[pa.Table]] = {"user_factors": [], "item_factors": []}
    for done, (part, until) in enumerate(part_ends(job.day, job.settings).items()):
        job.progress(f"fitting ({part})", done, 2)
        known = read_training(job.home, run_id=run_id, part=part, until=until)
        model = fit_model(known, recipe, fit_als=engine, precision=precision)
        (model.rounded() if part == "full" else model).save(model_path(job.home, run_id, part))
        for name, table in factor_tables(known, model.factors, run_id=run_id, part=part).items():
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
    job.say(f"model {version}: {', '.join(recipe.sources)}")
    return version


if __name__ == "__main__":
    main("train", run)

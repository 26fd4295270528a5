"""Fit ALS on the interactions and register the model as challenger."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.models.champion import register_challenger
from recsys_batch.models.recipes import recipe_json
from recsys_batch.models.serving import FactorTables
from recsys_batch.models.training import fit_factors


def run(job: Job) -> str:
    """Fit on all events, and on those before the hold-out; return the model's version."""
    opened, lake, recipe = job.open_run(), job.lake, job.settings.als
    for part in ("train", "full"):
        pairs = lake.read("interactions", run_id=opened.run_id, part=part)
        factors = fit_factors(
            pairs.select(c.USER_KEY, c.ITEM_ID, c.WEIGHT).toArrow(),
            recipe=recipe,
            limits=job.settings.features,
            progress=job.steps(f"fitting ALS ({part})"),
        )
        for name, table in (("user_factors", factors.users), ("item_factors", factors.items)):
            owned = {c.RUN_ID: opened.run_id, c.PART: part}
            frame = lake.spark.createDataFrame(table)
            frame = frame.withColumns({column: F.lit(value) for column, value in owned.items()})
            lake.replace(name, frame, **owned)
    job.progress("registering the model", 0, 1)
    version, tracked = register_challenger(
        job.home,
        job.settings,
        opened,
        tables=FactorTables(
            user_factors=lake.path("user_factors"),
            user_version=lake.version("user_factors"),
            item_factors=lake.path("item_factors"),
            item_version=lake.version("item_factors"),
            run_id=opened.run_id,
        ),
        versions={name: lake.version(name) for name in ("events", "interactions")},
        metrics={"users": len(factors.users), "items": len(factors.items)},
    )
    row = {c.RUN_ID: opened.run_id, "recipe": recipe_json(recipe)}
    row |= {"model_version": version, "mlflow_run": tracked}
    replace_rows(job.home, "models", [row], run_id=opened.run_id)
    job.say(f"model {version}: ALS, {recipe.factors} factors, {recipe.iterations} iterations")
    return version


if __name__ == "__main__":
    main("train", run)

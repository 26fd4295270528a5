"""The models that a run's backtest compares, each trained on the days before the hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.lake.store import Lake
from recsys_batch.models.training import FittedFactors
from recsys_batch.ranking.backtest import Holdout, make_holdout
from recsys_batch.ranking.catalog import Catalog
from recsys_batch.ranking.inputs import ranking_input, run_catalog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Contenders:
    """What `recsys_batch.evaluation.backtest.backtest` scores.

    Attributes
    ----------
    models
        Name to (`ranking_input` of the hold-out's users, catalog with that model's factors):
        popularity, lists and, where given, champion.
    holdout
        What those users wanted.
    """

    models: dict[str, tuple[DataFrame, Catalog]]
    holdout: Holdout


def contenders(lake: Lake, *, run_id: str, champion: FittedFactors | None) -> Contenders:
    """Read a run's hold-out and its models of the training part.

    Parameters
    ----------
    champion
        Factors of the serving recipe, fitted on the same part; None where there is none to compare.
    """
    from pyspark.sql import functions as F

    catalog = run_catalog(lake, run_id=run_id, part="train")
    wanted = lake.read("holdout", run_id=run_id)
    known = lake.read("users", run_id=run_id, part="train")
    users = wanted.select(c.USER_KEY).distinct().join(known, c.USER_KEY, how="left")
    pairs = lake.read("interactions", run_id=run_id, part="train")
    factors = lake.read("user_factors", run_id=run_id, part="train")
    models = {
        "popularity": (ranking_input(users, factors.where(F.lit(False)), pairs), catalog),
        "lists": (ranking_input(users, factors, pairs), catalog),
    }
    if champion is not None:
        theirs = lake.spark.createDataFrame(champion.users)
        models["champion"] = (
            ranking_input(users, theirs, pairs),
            run_catalog(lake, run_id=run_id, part="train", item_factors=champion.items),
        )
    return Contenders(models, make_holdout(wanted.toArrow(), catalog))

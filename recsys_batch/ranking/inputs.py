"""What ranking reads of a run: its catalog, and its users with factors and history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.lake.store import Lake
from recsys_batch.ranking.catalog import Catalog, make_catalog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HISTORY = "history"


def run_catalog(
    lake: Lake, *, run_id: str, part: str, item_factors: pa.Table | None = None
) -> Catalog:
    """The items of a run with the popularity and factors of one part.

    Parameters
    ----------
    item_factors
        item_id, factors of another model; by default the run's own.
    """
    if item_factors is None:
        item_factors = lake.read("item_factors", run_id=run_id, part=part).toArrow()
    return make_catalog(
        lake.read("items", run_id=run_id).select(c.ITEM_ID, c.TITLE, c.RECOMMENDABLE).toArrow(),
        item_factors,
        lake.read("popularity", run_id=run_id, part=part).toArrow(),
    )


def ranking_input(users: DataFrame, user_factors: DataFrame, interactions: DataFrame) -> DataFrame:
    """One row a user with what ranking needs: region, factors (null if none) and history.

    Parameters
    ----------
    users
        user_key, region.
    user_factors
        user_key, factors.
    interactions
        user_key, item_id, weight, event_type, seen.
    """
    from pyspark.sql import functions as F

    history = interactions.groupBy(c.USER_KEY).agg(
        F.array_sort(
            F.collect_list(
                F.struct(
                    c.ITEM_ID,
                    (F.col(c.WEIGHT) > 0).alias("positive"),
                    F.col(c.EVENT_TYPE),
                    F.col(c.SEEN),
                )
            )
        ).alias(HISTORY)
    )
    return (
        users.select(c.USER_KEY, c.REGION)
        .join(user_factors.select(c.USER_KEY, c.FACTORS), c.USER_KEY, how="left")
        .join(history, c.USER_KEY, how="left")
        .select(c.USER_KEY, c.REGION, c.FACTORS, HISTORY)
    )

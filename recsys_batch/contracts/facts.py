"""Counts of a list, a user or a batch, one row each: the form in which expectations judge them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from recsys_batch.columns import (
    ACCEPTED,
    BATCH_SEQ,
    ITEM_ID,
    ITEMS,
    LANDED,
    PART,
    QUARANTINED,
    SCORE,
    USER_KEY,
    WEIGHT,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LARGEST = sys.float_info.max  # NaN and infinity sort above it in Spark, so they fail `<= LARGEST`
N_ITEMS = "n_items"
N_EXPECTED = "n_expected"  # N, or all that the user may be shown where that is fewer
N_DISTINCT = "n_distinct"
N_BLOCKED = "n_blocked"  # items that are not recommendable
N_SEEN = "n_seen"
N_UNSORTED = "n_unsorted"  # places where a score exceeds the one before it
N_BAD_SCORES = "n_bad_scores"  # null, NaN or infinite
N_PAIRS = "n_pairs"
LOWEST = "lowest_weight"
HIGHEST = "highest_weight"
ACCOUNTED = "accounted"  # accepted, quarantined and duplicate together
IN_BRONZE = "in_bronze"  # rows of the batch in bronze/raw_SOURCE
IN_SILVER = "in_silver"  # in the table of silver, where a line is a row of it
IN_QUARANTINE = "in_quarantine"
SHARE_QUARANTINED = "share_quarantined"  # of a landing with lines enough to tell
EMPTY_FILES = "empty_files"
LANDING_FACTS = (
    *(BATCH_SEQ, LANDED, ACCEPTED, QUARANTINED, ACCOUNTED),
    *(IN_BRONZE, IN_SILVER, IN_QUARANTINE, SHARE_QUARANTINED, EMPTY_FILES),
)
TOPN_FACTS = (
    USER_KEY,
    N_ITEMS,
    N_EXPECTED,
    N_DISTINCT,
    N_BLOCKED,
    N_SEEN,
    N_UNSORTED,
    N_BAD_SCORES,
)


def interactions_facts(pairs: DataFrame) -> DataFrame:
    """Derive what `interactions_suite` checks: one row a user in a part.

    A user's items are gathered instead of sorting all pairs of all users, which is what finding
    pairs that occur twice would take.

    Returns
    -------
    DataFrame
        part, user_key, n_pairs, n_distinct (items of them, null left out), lowest_weight and
        highest_weight, both null where a pair has no weight; NaN is above every other weight.
    """
    from pyspark.sql import functions as F

    weighed = F.count(WEIGHT) == F.count(F.lit(1))
    return pairs.groupBy(PART, USER_KEY).agg(
        F.count(F.lit(1)).alias(N_PAIRS),
        F.size(F.collect_set(ITEM_ID)).alias(N_DISTINCT),
        F.when(weighed, F.min(WEIGHT)).alias(LOWEST),
        F.when(weighed, F.max(WEIGHT)).alias(HIGHEST),
    )


def topn_facts(
    lists: DataFrame,
    *,
    n: int,
    available: DataFrame,
    recommendable: DataFrame,
    seen: DataFrame | None = None,
) -> DataFrame:
    """Derive what `topn_suite` checks: one row a list, the columns `TOPN_FACTS`.

    Parameters
    ----------
    lists
        ``user_key`` and ``items``, an array of structs with ``item_id`` and ``score``.
    n
        Items a list should hold.
    available
        ``user_key`` and ``available``: items that the rules and what was seen leave each user.
    recommendable
        ``item_id`` of every item that may be in a list, blocked items already left out.
    seen
        ``user_key`` and ``item_id`` of what must not be shown again; None where repeats are
        allowed.
    """
    from pyspark.sql import functions as F

    allowed = recommendable.select(ITEM_ID).distinct()
    ids = F.transform(F.col(ITEMS), lambda item: item[ITEM_ID])
    scores = F.transform(F.col(ITEMS), lambda item: item[SCORE].cast("double"))
    flat = lists.select(USER_KEY, ids.alias("ids"), scores.alias("scores"))
    blocked = (
        flat.select(USER_KEY, F.explode("ids").alias(ITEM_ID))
        .join(allowed, on=ITEM_ID, how="left_anti")
        .groupBy(USER_KEY)
        .agg(F.count(F.lit(1)).alias(N_BLOCKED))
    )
    facts = flat.join(blocked, on=USER_KEY, how="left").join(available, on=USER_KEY, how="left")
    known = F.lit(None).cast("array<string>")
    if seen is not None:
        sets = (
            seen.select(USER_KEY, ITEM_ID)
            .join(allowed, on=ITEM_ID, how="left_semi")
            .groupBy(USER_KEY)
            .agg(F.collect_set(ITEM_ID).alias("known"))
        )
        facts = facts.join(sets, on=USER_KEY, how="left")
        known = F.col("known")
    rising = F.filter("scores", lambda score, i: score > F.get("scores", i - 1))
    bad = F.filter("scores", lambda score: score.isNull() | ~(F.abs(score) <= LARGEST))
    return facts.select(
        USER_KEY,
        _size("ids").alias(N_ITEMS),
        F.least(F.lit(n), F.col("available")).cast("int").alias(N_EXPECTED),
        _size(F.array_distinct("ids")).alias(N_DISTINCT),
        F.coalesce(F.col(N_BLOCKED), F.lit(0)).alias(N_BLOCKED),
        _size(F.array_intersect("ids", known)).alias(N_SEEN),
        _size(rising).alias(N_UNSORTED),
        _size(bad).alias(N_BAD_SCORES),
    )


def _size(array: Column | str) -> Column:
    from pyspark.sql import functions as F

    size = F.size(array)
    return F.when(size > 0, size).otherwise(0)  # null counts as empty, whatever Spark's mode

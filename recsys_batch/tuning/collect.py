"""A run's events as a `Log`: who did what to which item on which day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.config import EventType, Settings
from recsys_batch.features.consent import consented
from recsys_batch.features.inputs import Inputs
from recsys_batch.features.suspects import suspects, without_suspects
from recsys_batch.models.training import coded
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.people import cohorts_of, known_cohorts, regions_of
from recsys_batch.tuning.shown import IMPRESSION, head_below, impressions_of, shown_items

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_ACTS = "acts"


@dataclass(frozen=True, eq=False)
class LogTables:
    """What a log is made of: rows of `day_acts`, `item_facts`, `shown_items`, `known_cohorts`.

    The last two are None where they are not asked for, and where no profiles land.
    """

    acts: pa.Table
    items: pa.Table
    shown: pa.Table | None
    cohorts: pa.Table | None


def read_log(seen: Inputs, settings: Settings) -> Log:
    """What a run may look at as a log: of those who consent, without machines' days."""
    return log_of(log_tables(seen, settings), settings)


def log_tables(seen: Inputs, settings: Settings) -> LogTables:
    """What a run may look at."""
    from pyspark.sql import functions as F

    relevant = settings.evaluation.relevant_types
    types = sorted({*settings.dataset.weights, *relevant, *settings.recommend.seen_types})
    flagged = suspects(seen.events, limits=settings.dataset.limits)
    events = consented(without_suspects(seen.events, flagged), seen.refused)
    of_types = seen.events.where(F.col(c.EVENT_TYPE).isin(types))
    weighty = [kind for kind, weight in settings.dataset.weights.items() if weight > 0]
    acted = [kind for kind in weighty if kind != IMPRESSION]
    most, asked = settings.tuning.max_acts, settings.model.rerank
    return LogTables(
        day_acts(events, types).toArrow(),
        item_facts(of_types, seen.items).toArrow(),
        shown_items(events, acted, most=most) if asked else None,
        None
        if settings.dataset.profiles is None
        else known_cohorts(seen.profiles, seen.refused, until=seen.until).toArrow(),
    )


def log_of(tables: LogTables, settings: Settings) -> Log:
    """Index what `log_tables` gave, as the settings weigh it."""
    return make_log(
        tables.acts,
        tables.items,
        tables.shown,
        tables.cohorts,
        weights=settings.dataset.weights,
        relevant_types=settings.evaluation.relevant_types,
        seen_types=settings.recommend.seen_types,
        max_acts=settings.tuning.max_acts,
    )


def day_acts(events: DataFrame, types: Sequence[EventType]) -> DataFrame:
    """Events of some types, a row a user, item, day, type and region, with how many they are."""
    from pyspark.sql import functions as F

    keys = (c.USER_KEY, c.ITEM_ID, c.EVENT_DATE, c.EVENT_TYPE, c.REGION)
    known = events.where(F.col(c.EVENT_TYPE).isin(list(types)))
    return known.groupBy(*keys).agg(F.count(F.lit(1)).alias(_ACTS))


def item_facts(events: DataFrame, catalogue: DataFrame) -> DataFrame:
    """item_id, day (the first on which it is known, null: ever) and text, of every item."""
    from pyspark.sql import functions as F

    def fact(day: Column, *texts: str | Column) -> list[Column]:
        return [F.col(c.ITEM_ID), day.alias("day"), F.trim(F.concat_ws(" ", *texts)).alias("text")]

    tags = F.concat_ws(" ", c.TAGS)
    stated = catalogue.select(
        *fact(F.to_date(c.VALID_FROM), c.TITLE, c.CATEGORY, c.DESCRIPTION, tags)
    )
    told = events.select(*fact(F.col(c.EVENT_DATE), c.TITLE, c.CATEGORY))
    known = stated.unionByName(told).groupBy(c.ITEM_ID)
    return known.agg(F.min("day").alias("day"), F.max("text").alias("text"))


def make_log(
    acts: pa.Table,
    items: pa.Table,
    shown: pa.Table | None = None,
    cohorts: pa.Table | None = None,
    *,
    weights: Mapping[str, float],
    relevant_types: Sequence[str],
    seen_types: Sequence[str],
    max_acts: int,
) -> Log:
    """Index acts; equal rows in any order give an equal log.

    Parameters
    ----------
    acts
        From `day_acts`.
    items
        From `item_facts`.
    shown
        From `shown_items`; None: nothing is known of that.
    cohorts
        From `known_cohorts`; None: the same.
    max_acts
        Of a longer log, a share of the users is taken, by their keys, which are random.
    """
    acts = _sample(acts, max_acts)
    ids = items.sort_by(c.ITEM_ID)
    columns = coded(acts[c.ITEM_ID], ids[c.ITEM_ID].combine_chunks())
    keys = pc.unique(acts[c.USER_KEY].drop_null())
    keys = keys.take(pc.sort_indices(keys))
    users = coded(acts[c.USER_KEY], keys)
    days = acts[c.EVENT_DATE].cast(pa.int32()).to_numpy()
    types = acts[c.EVENT_TYPE].combine_chunks()
    regions, n_regions = regions_of(acts, users, days, len(keys))
    of_cohort, n_cohorts = cohorts_of(cohorts, keys)
    per_event = np.zeros(len(acts), dtype=np.float32)
    for kind, weight in weights.items():
        per_event[pc.equal(types, kind).to_numpy(zero_copy_only=False)] = weight
    weighed = per_event * acts[_ACTS].to_numpy().astype(np.float32)
    # In an order of their own, so that sums of floats do not depend on how acts come.
    order = np.lexsort((weighed, days, columns, users))
    first = pc.fill_null(ids["day"].cast(pa.int32()), 0).to_numpy()
    return Log(
        users=users[order],
        items=columns[order],
        days=days[order],
        weights=weighed[order],
        relevant=_is_in(types, relevant_types)[order],
        seen=_is_in(types, seen_types)[order],
        n_users=len(keys),
        first_days=first.astype(np.int32),
        texts=tuple(pc.fill_null(ids["text"], "").to_pylist()),
        regions=regions,
        n_regions=n_regions,
        cohorts=of_cohort,
        n_cohorts=n_cohorts,
        impressions=None
        if shown is None
        else impressions_of(shown, keys, ids[c.ITEM_ID].combine_chunks()),
    )


def _sample(acts: pa.Table, most: int) -> pa.Table:
    if len(acts) <= most:
        return acts
    edge = head_below(most / len(acts))
    head = pc.utf8_slice_codeunits(acts[c.USER_KEY], 0, 8)
    return acts.filter(pc.fill_null(pc.less(head, edge), False))


def _is_in(types: pa.Array, chosen: Sequence[str]) -> npt.NDArray[np.bool_]:
    found = pc.is_in(types, value_set=pa.array(list(chosen), pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

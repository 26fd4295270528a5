"""All tables of features that a run stores, made of what it sees."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Settings
from recsys_batch.errors import InputDataError
from recsys_batch.features.entities import items, users
from recsys_batch.features.history import day_end
from recsys_batch.features.interactions import holdout, interactions, popularity

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def feature_tables(
    events: DataFrame, catalogue: DataFrame, *, day: dt.date, settings: Settings, run_id: str
) -> dict[str, DataFrame]:
    """Make the features twice: of all events of a run, and of those before the hold-out.

    Parameters
    ----------
    events, catalogue
        What the run may see (`recsys_batch.features.history`).
    day
        The logical day.

    Returns
    -------
    dict
        interactions, users, popularity (each with its part), items and holdout: name to rows.
    """
    from pyspark.sql import functions as F

    until = day_end(day)
    cutoff = until - dt.timedelta(days=settings.evaluation.holdout_days)

    def both(make: Callable[[dt.datetime], DataFrame]) -> DataFrame:
        parts = {"full": until, "train": cutoff}
        made = [make(at).withColumn(c.PART, F.lit(part)) for part, at in parts.items()]
        return reduce(lambda one, other: one.unionByName(other), made)

    weights, relevant = settings.dataset.weights, settings.evaluation.relevant_types
    tables = {
        "interactions": both(
            lambda at: interactions(
                events,
                until=at,
                weights=weights,
                seen_types=settings.recommend.seen_types,
                settings=settings.features,
            )
        ),
        "users": both(lambda at: users(events, until=at)),
        "popularity": both(
            lambda at: popularity(
                events,
                until=at,
                weights=weights,
                half_life_days=settings.popularity.half_life_days,
            )
        ),
        "items": items(events, catalogue, until=until, blocked=settings.recommend.block_items),
        "holdout": holdout(events, since=cutoff, until=until, relevant_types=relevant),
    }
    return {name: frame.withColumn(c.RUN_ID, F.lit(run_id)) for name, frame in tables.items()}


def require_history(events: DataFrame, *, day: dt.date, settings: Settings) -> None:
    """Refuse events that leave nothing to learn from before the hold-out.

    Raises
    ------
    InputDataError
        No event of a known user that weighs anything lies before the held-out days.
    """
    from pyspark.sql import functions as F

    days = settings.evaluation.holdout_days
    positive = sorted(kind for kind, weight in settings.dataset.weights.items() if weight > 0)
    telling = events.where(F.col(c.USER_KEY).isNotNull() & F.col(c.EVENT_TYPE).isin(positive))
    first: dt.date | None = telling.agg(F.min(c.EVENT_DATE)).collect()[0][0]
    if first is None:
        raise InputDataError(
            f"none of the events up to {day} is of a user who consented and of a type that weighs "
            f"anything ({', '.join(positive) or 'no type does'})",
            where=f"dataset {settings.dataset.name}",
            fix="map user_id and the event types, give types positive `weights`, or choose a "
            "later --date",
        )
    history = (day - first).days + 1
    if history > days:
        return
    found = f"the history of {history} day{'s' if history > 1 else ''} (from {first} to {day})"
    raise InputDataError(
        f"{found} leaves nothing to learn from before the {days} that are held out",
        where=f"evaluation.holdout_days {days}",
        fix=f"choose a later --date, or add --set evaluation.holdout_days={history // 2}"
        if history > 1
        else "choose a later --date, as measuring takes two days or more",
    )

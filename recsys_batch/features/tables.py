"""All tables of features that a run stores, made of what it sees."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Settings
from recsys_batch.errors import InputDataError
from recsys_batch.features.consent import consented, permitted
from recsys_batch.features.entities import items, users
from recsys_batch.features.history import day_end
from recsys_batch.features.interactions import holdout, interactions, popularity
from recsys_batch.features.parts import Part
from recsys_batch.features.state import (
    PAST,
    Clock,
    fold,
    fold_facts,
    merged_facts,
    past_and_whole,
)
from recsys_batch.features.versions import item_versions, profile_versions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_DAY = dt.timedelta(days=1)


def cutoff_of(day: dt.date, settings: Settings) -> dt.datetime:
    """The first instant that is held out of a day's training part."""
    return day_end(day) - dt.timedelta(days=settings.evaluation.holdout_days)


def part_ends(day: dt.date, settings: Settings) -> dict[str, dt.date]:
    """Of each part of a day's features the first day that it does not look back on."""
    return {"train": cutoff_of(day, settings).date(), "full": day_end(day).date()}


def feature_tables(
    events: DataFrame,
    past: DataFrame,
    facts: DataFrame,
    catalogue: DataFrame,
    profiles: DataFrame,
    *,
    refused: DataFrame,
    clock: Clock,
    day: dt.date,
    settings: Settings,
    run_id: str,
    fit_day: dt.date | None = None,
) -> dict[str, DataFrame]:
    """Make the features twice: of all events of a run, and of those before the hold-out.

    Parameters
    ----------
    events
        What the run may see; only the held-out days, and those of a window, are read.
    past, facts
        From `recsys_batch.features.remembered.past_state`, up to the hold-out.
    catalogue, profiles
        What the run may see of them, as it was stated.
    refused
        Who refuses what: users who refuse personalization train, get no list and are not measured.
    clock
        The half-lives of the run's recipe.
    day
        The logical day.
    fit_day
        The logical day whose model this is folded into: interactions weigh what they weighed
        then, later ones more. None: `day`.

    Returns
    -------
    dict
        interactions, users, popularity, items (each with its part) and holdout: name to rows.

    Raises
    ------
    InputDataError
        Nothing is left to learn from before the hold-out.
    """
    from pyspark.sql import functions as F

    until, cutoff = day_end(day), cutoff_of(day, settings)
    held = events.where(F.col(c.EVENT_DATE) >= F.lit(cutoff.date())).persist()
    everything = past_and_whole(past, fold(held, clock))
    state = consented(everything, refused)
    fit_ends = part_ends(fit_day or day, settings)
    parts = (
        Part("full", until, fit_until=fit_ends["full"]),
        Part("train", cutoff, PAST, fit_until=fit_ends["train"]),
    )

    def listed(rows: DataFrame) -> DataFrame:
        return permitted(rows, refused, "personalization")

    def recent(days: int) -> dict[str, DataFrame]:
        """Of each part the state of the events of its last days."""
        dates = {part.name: part.until.date() for part in parts}
        within = F.col(c.EVENT_DATE)
        return {
            part: consented(
                fold(events.where(within.between(end - dt.timedelta(days), end - _DAY)), clock),
                refused,
            )
            for part, end in dates.items()
        }

    weights, relevant = settings.dataset.weights, settings.evaluation.relevant_types
    window = settings.features.window_days
    with ThreadPoolExecutor(1) as aside:  # what Spark does meanwhile is used by all tables
        made = aside.submit(require_history, state, day=day, settings=settings)
        tables = {
            "interactions": interactions(
                state,
                parts,
                decay=clock.interest,
                weights=weights,
                seen_types=settings.recommend.seen_types,
                recent=None if window is None else recent(window),
            ),
            "users": users(
                listed(state),
                profile_versions(profiles),
                parts,
                acts=sorted(kind for kind, weight in weights.items() if weight > 0),
                sequence_length=settings.features.sequence_length,
            ),
            "popularity": popularity(state, parts, decay=clock.popularity, weights=weights),
            "items": items(
                everything,
                {"full": merged_facts(facts, fold_facts(held)), "train": facts},
                item_versions(catalogue),
                parts,
                blocked=settings.recommend.block_items,
            ),
            "holdout": holdout(
                listed(consented(held, refused)), since=cutoff, until=until, relevant_types=relevant
            ),
        }
        made.result()
    return {name: frame.withColumn(c.RUN_ID, F.lit(run_id)) for name, frame in tables.items()}


def require_history(state: DataFrame, *, day: dt.date, settings: Settings) -> None:
    """Refuse a history that leaves nothing to learn from before the hold-out.

    Parameters
    ----------
    state
        Of all events that may train.

    Raises
    ------
    InputDataError
        No event of a known user that weighs anything lies before the held-out days.
    """
    from pyspark.sql import functions as F

    days = settings.evaluation.holdout_days
    positive = sorted(kind for kind, weight in settings.dataset.weights.items() if weight > 0)
    telling = state.where(F.col(c.USER_KEY).isNotNull() & F.col(c.EVENT_TYPE).isin(positive))
    first: dt.date | None = telling.agg(F.to_date(F.min(c.FIRST_TIME))).collect()[0][0]
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

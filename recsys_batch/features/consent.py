"""Consent by purpose: who refuses it, from all that was stated up to a run's horizon.

A refusal acts on every run made after it landed, of whatever day: what a run of a past day would
train on today is today's use of it. So the same day and horizon give the same answer, and the same
day with a later horizon may not.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Purpose

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ACTED = "acted"  # an event stated something of the user
_PURPOSES = "purposes"


def refusals(consents: DataFrame, *, horizon: int) -> DataFrame:
    """Who refuses what: user_key, purpose, each pair once.

    Each source (events, profiles, consents) is heard for itself: its latest statement of a user
    counts, and a refusal in one is not undone by what another goes on saying. Of statements of
    one instant a refusal wins; of those without a time, the latest batch.

    Parameters
    ----------
    consents
        Rows of the table `consents`.
    horizon
        The last batch that counts.
    """
    from pyspark.sql import functions as F

    refused = _heard(consents, horizon=horizon).where(~F.col(c.GRANTED))
    return refused.select(c.USER_KEY, c.PURPOSE).distinct()


def refusals_and_acts(consents: DataFrame, *, until: dt.datetime, horizon: int) -> DataFrame:
    """`refusals`, and as `ACTED` whether the user is known to have an event before `until`.

    That is known where an event stated something itself; of the others only the events can tell.
    """
    from pyspark.sql import functions as F

    stated = (F.col(c.SOURCE) == "events") & (F.col(c.STATED_AT) < F.lit(until))
    heard = _heard(consents, F.bool_or(stated).alias(ACTED), horizon=horizon)
    refused = F.when(~F.col(c.GRANTED), F.col(c.PURPOSE))
    by_user = heard.groupBy(c.USER_KEY).agg(
        F.collect_set(refused).alias(_PURPOSES),
        F.coalesce(F.bool_or(ACTED), F.lit(False)).alias(ACTED),
    )
    return by_user.select(c.USER_KEY, F.explode(_PURPOSES).alias(c.PURPOSE), ACTED)


def _heard(consents: DataFrame, *more: Column, horizon: int) -> DataFrame:
    """Each source's latest statement of a user and purpose, and more aggregates of all of them.

    Rows of a user lie together, so that nothing is shuffled once more.
    """
    from pyspark.sql import functions as F

    undated = F.when(F.col(c.STATED_AT).isNull(), F.col(c.BATCH_SEQ))
    order = F.struct(
        F.coalesce(F.col(c.STATED_AT), F.timestamp_seconds(F.lit(0))), undated, ~F.col(c.GRANTED)
    )
    known = consents.where(F.col(c.BATCH_SEQ) <= horizon).repartition(c.USER_KEY)
    return known.groupBy(c.USER_KEY, c.PURPOSE, c.SOURCE).agg(
        F.max_by(c.GRANTED, order).alias(c.GRANTED), *more
    )


def permitted(events: DataFrame, refused: DataFrame, purpose: Purpose) -> DataFrame:
    """Events, or a state of them, but those of users who refuse a purpose; anonymous ones stay."""
    from pyspark.sql import functions as F

    users = refused.where(F.col(c.PURPOSE) == purpose).select(c.USER_KEY)
    return events.join(users, c.USER_KEY, how="left_anti")


def consented(events: DataFrame, refused: DataFrame) -> DataFrame:
    """Events, or a state of them, that may train: with consent, and of users who do not refuse it.

    Anonymous events stand for themselves.
    """
    from pyspark.sql import functions as F

    return permitted(events.where(F.col(c.CONSENT)), refused, "training")

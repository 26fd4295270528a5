"""Lines about users: what is known of them, and what they consented to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import ConsentMapping, Dataset, ProfileMapping
from recsys_batch.contracts.rules import CONSENT_RULES, PROFILE_RULES, with_verdict
from recsys_batch.ingest.classify import (
    STATED,
    content_key,
    limits_of,
    place_and_verdict,
    read_values,
    small,
)
from recsys_batch.ingest.parse import forgiving, landed_columns, mapped
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ALL = "all"
_BRITISH, _OURS = "isation", "ization"  # both are written
_PROFILES = contract("profiles").table
_CONSENTS = contract("consents").table


def classify_profiles(
    parsed: DataFrame,
    mapping: ProfileMapping,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    latest_time: Column,
    where: str,
) -> DataFrame:
    """Give each parsed line its profile fields and, where it breaks the contract, the reason.

    Returns
    -------
    DataFrame
        The columns of `profiles` without batch, and file, line, record, reason, detail. The raw
        user id is gone.
    """
    with forgiving(parsed.sparkSession):
        field = mapped(parsed, mapping.fields, where=where)
        typed = parsed.select(
            *landed_columns(),
            *_user(field["user_id"], key),
            *read_values(field, _PROFILES, zone=dataset.time_zone),
            latest_time.alias("latest_time"),
            *limits_of(dataset),
        )
    return with_verdict(typed, PROFILE_RULES).select(
        *place_and_verdict(),
        content_key(_PROFILES).alias(c.EVENT_ID),
        *(each.name for each in _PROFILES.properties if each.name != c.EVENT_ID),
    )


def classify_consents(
    parsed: DataFrame,
    mapping: ConsentMapping,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    latest_time: Column,
    where: str,
) -> DataFrame:
    """The same for lines of consent given and withdrawn.

    A line is about one purpose, or about each of them where it names none or says ``all``.
    """
    from pyspark.sql import functions as F

    with forgiving(parsed.sparkSession):
        field = mapped(parsed, mapping.fields, where=where)
        named = F.lower(field.get(c.PURPOSE, F.lit(None).cast("string")))
        purpose = F.replace(named, F.lit(_BRITISH), F.lit(_OURS))
        typed = parsed.select(
            *landed_columns(),
            *_user(field["user_id"], key),
            F.coalesce(purpose, F.lit(ALL)).alias(c.PURPOSE),
            *read_values(field, _CONSENTS, zone=dataset.time_zone, but={c.PURPOSE}),
            latest_time.alias("latest_time"),
            *limits_of(dataset),
        )
    return with_verdict(typed, CONSENT_RULES).select(
        *place_and_verdict(),
        content_key(_CONSENTS).alias(c.EVENT_ID),
        *(c.USER_KEY, c.KEY_ID, c.PURPOSE, c.GRANTED, c.STATED_AT),
    )


def one_spelling(purpose: str) -> str:
    """A purpose's name as lines are read: in small letters, and one of two spellings."""
    return purpose.strip().lower().replace(_BRITISH, _OURS)


def _user(user_id: Column, key: PseudonymKey) -> tuple[Column, Column]:
    from pyspark.sql import functions as F

    return key.column(user_id).alias(c.USER_KEY), F.lit(key.key_id).alias(c.KEY_ID)


def statements(rows: DataFrame, *, source: str) -> DataFrame:
    """What accepted rows say of consent: the rows of `consents`, one a user, purpose and answer.

    Of events, which say the same over and over, only the last of each answer is kept.

    Parameters
    ----------
    rows
        Classified rows of the source, with batch_seq.
    source
        ``events``, ``profiles`` or ``consents``.
    """
    from pyspark.sql import functions as F

    if source == "consents":
        about = F.col(c.PURPOSE)
        said = {name: F.when(about.isin(ALL, _purpose(name)), F.col(c.GRANTED)) for name in STATED}
        time = c.STATED_AT
    elif source == "profiles":
        said = {name: F.coalesce(name, c.CONSENT) for name in STATED}
        time = c.VALID_FROM
    else:
        said = {name: F.col(name) for name in STATED}
        time = c.EVENT_TIME
    pairs = (
        F.struct(F.lit(_purpose(name)).alias(c.PURPOSE), granted.alias(c.GRANTED))
        for name, granted in said.items()
    )
    if source == "events":
        rows = _last_said(rows)
    each = rows.where(F.col(c.USER_KEY).isNotNull()).select(
        *(c.USER_KEY, c.KEY_ID, c.BATCH_SEQ, c.EVENT_ID),
        F.col(time).alias(c.STATED_AT),
        F.lit(source).alias(c.SOURCE),
        F.inline(F.array(*pairs)),
    )
    stated = each.where(F.col(c.GRANTED).isNotNull())
    if source != "events":
        return stated
    last = F.max(F.struct(c.STATED_AT, c.EVENT_ID)).alias("last")
    by = (c.USER_KEY, c.KEY_ID, c.BATCH_SEQ, c.PURPOSE, c.GRANTED, c.SOURCE)
    return stated.groupBy(*by).agg(last).select(*by, "last.*")


def _last_said(events: DataFrame) -> DataFrame:
    """Of a user's events in a batch that say the same of consent, those of the latest instant."""
    from pyspark.sql import functions as F

    by = (c.USER_KEY, c.BATCH_SEQ, *STATED)
    said = events.where(F.coalesce(*STATED).isNotNull())
    micros = F.unix_micros(c.EVENT_TIME)
    latest = small(said.groupBy(*by).agg(F.max(micros).alias("_latest")))
    same = [F.col(f"said.{name}").eqNullSafe(F.col(f"latest.{name}")) for name in by]
    return (
        said.withColumn("_micros", micros)
        .alias("said")
        .join(latest.alias("latest"), [*same, F.col("_micros") == F.col("_latest")], "left_semi")
    )


def _purpose(name: str) -> str:
    return name.removeprefix("consent_")

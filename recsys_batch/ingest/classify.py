"""Parsed lines to contract fields, and to their fate: accepted, quarantined or duplicate."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Dataset, EventMapping, ItemMapping
from recsys_batch.contracts.rules import EVENT_RULES, ITEM_RULES, with_verdict
from recsys_batch.ingest.parse import forgiving, landed_columns, mapped
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.ingest.values import instant, number

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FATE = "fate"  # accepted, quarantined or duplicate


_TEXT = (
    c.REQUEST_ID,
    c.PUBLICATION_ID,
    c.REGION,
    c.DEVICE,
    c.SURFACE,
    c.TITLE,
    c.CATEGORY,
)
_NUMBERS = (c.VALUE, c.QUANTITY, c.PRICE, c.PROPENSITY)
_CONTENT = (
    c.USER_KEY,
    c.ITEM_ID,
    c.EVENT_TYPE,
    c.EVENT_TIME,
    c.VALUE,
    c.QUANTITY,
    c.PRICE,
    c.REQUEST_ID,
    c.POSITION,
    c.REGION,
    c.DEVICE,
    c.SURFACE,
    c.CONSENT,  # an export anew after a revocation must count
)


def classify_events(
    parsed: DataFrame,
    mapping: EventMapping,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    latest_time: dt.datetime,
    where: str,
) -> DataFrame:
    """Give each parsed line its event fields and, where it breaks the contract, the reason.

    Parameters
    ----------
    latest_time
        Events after this instant (UTC) are quarantined as lying in the future.
    where
        File named in mapping errors.

    Returns
    -------
    DataFrame
        The columns of `events` without batch, and file, line, record, reason, detail. The raw
        user id is gone.
    """
    from pyspark.sql import functions as F

    with forgiving(parsed.sparkSession):
        field = mapped(
            parsed,
            {**mapping.fields, "time": mapping.time, "type": _type_case(mapping)},
            where=where,
        )
        null = F.lit(None).cast("string")
        texts = {name: field.get(name, null) for name in (*_NUMBERS, c.POSITION, c.CONSENT)}
        typed = parsed.select(
            *landed_columns(),
            field.get(c.EVENT_ID, null).alias("given_id"),
            key.column(field.get("user_id", null)).alias(c.USER_KEY),
            field[c.ITEM_ID].alias(c.ITEM_ID),
            field["type"].alias(c.EVENT_TYPE),
            field["time"].alias("event_time_text"),
            instant(field["time"], mapping.time_format, dataset.time_zone).alias(c.EVENT_TIME),
            *(field.get(name, null).alias(name) for name in _TEXT),
            *(text.alias(f"{name}_text") for name, text in texts.items()),
            *(number(texts[name]).alias(name) for name in _NUMBERS),
            texts[c.POSITION].try_cast("int").alias(c.POSITION),
            F.coalesce(texts[c.CONSENT].try_cast("boolean"), _default_consent(texts)).alias(
                c.CONSENT
            ),
            F.lit(latest_time).cast("timestamp").alias("latest_time"),
        )
    return with_verdict(typed, EVENT_RULES).select(
        c.FILE,
        c.LINE,
        F.make_valid_utf8(c.RECORD).alias(c.RECORD),
        c.REASON,
        c.DETAIL,
        F.coalesce(F.col("given_id"), _content_key(_CONTENT)).alias(c.EVENT_ID),
        *(c.USER_KEY, c.ITEM_ID, c.EVENT_TYPE, c.EVENT_TIME),
        F.when(F.col(c.USER_KEY).isNotNull(), F.lit(key.key_id)).alias(c.KEY_ID),
        F.to_date(c.EVENT_TIME).alias(c.EVENT_DATE),
        *(*_NUMBERS, c.POSITION, *_TEXT, c.CONSENT),
    )


def classify_items(
    parsed: DataFrame, mapping: ItemMapping, *, dataset: Dataset, where: str
) -> DataFrame:
    """The same for catalogue lines: the columns of `catalogue` and the reason."""
    from pyspark.sql import functions as F

    with forgiving(parsed.sparkSession):
        field = mapped(parsed, mapping.fields, where=where)
        null = F.lit(None).cast("string")
        since = field.get(c.VALID_FROM, null)
        price = field.get(c.PRICE, null)
        typed = parsed.select(
            *landed_columns(),
            field[c.ITEM_ID].alias(c.ITEM_ID),
            field.get(c.TITLE, null).alias(c.TITLE),
            field.get(c.CATEGORY, null).alias(c.CATEGORY),
            price.alias("price_text"),
            number(price).alias(c.PRICE),
            since.alias("valid_from_text"),
            instant(since, "iso", dataset.time_zone).alias(c.VALID_FROM),
        )
    content = (c.ITEM_ID, c.TITLE, c.CATEGORY, c.PRICE, c.VALID_FROM)
    return with_verdict(typed, ITEM_RULES).select(
        c.FILE,
        c.LINE,
        F.make_valid_utf8(c.RECORD).alias(c.RECORD),
        c.REASON,
        c.DETAIL,
        _content_key(content).alias(c.EVENT_ID),
        *content,
    )


def mark_duplicates(classified: DataFrame, known: DataFrame | None) -> DataFrame:
    """Add the fate of each line; of equal event ids the first by file and line is accepted.

    Parameters
    ----------
    known
        Event ids that are in the lake already, or None.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    good = F.col(c.REASON).isNull()
    first = F.row_number().over(Window.partitionBy(c.EVENT_ID, good).orderBy(c.FILE, c.LINE))
    ranked = classified.withColumn("_copy", first)
    if known is None:
        there = F.lit(False)
    else:
        ids = known.select(F.col(c.EVENT_ID), F.lit(True).alias("_there")).distinct()
        ranked = ranked.join(ids, c.EVENT_ID, how="left")
        there = F.coalesce(F.col("_there"), F.lit(False))
    fate = (
        F.when(~good, "quarantined")
        .when((F.col("_copy") > 1) | there, "duplicate")
        .otherwise("accepted")
    )
    return ranked.withColumn(FATE, fate).drop("_copy", "_there")


def _type_case(mapping: EventMapping) -> str:
    branches = " ".join(f"WHEN {rule.when} THEN '{rule.type}'" for rule in mapping.types)
    return f"CASE {branches} END"


def _default_consent(texts: dict[str, Column]) -> Column:
    from pyspark.sql import functions as F

    return F.when(texts[c.CONSENT].isNull(), F.lit(True))


def _content_key(names: tuple[str, ...]) -> Column:
    from pyspark.sql import functions as F

    parts = [F.coalesce(F.col(name).cast("string"), F.lit("\u0000")) for name in names]
    return F.substring(F.sha2(F.concat_ws("\u0001", *parts), 256), 1, 32)

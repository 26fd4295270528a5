"""Parsed lines to contract fields, and to their fate: accepted, quarantined or duplicate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Set
from functools import reduce
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Dataset, EventMapping, ItemMapping
from recsys_batch.contracts.rules import EVENT_RULES, ITEM_RULES, OVERSIZED, with_verdict
from recsys_batch.ingest.again import HASH, come_again
from recsys_batch.ingest.parse import forgiving, landed_columns, mapped
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.ingest.values import instant, labels, number
from recsys_batch.odcs.load import contract
from recsys_batch.odcs.model import SchemaObject

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_BEGIN = 1000  # bytes kept in quarantine of a line that is too long
_FEW = 500_000  # rows that are sent to all tasks
FATE = "fate"  # accepted, quarantined or duplicate


STATED = (c.CONSENT_TRAINING, c.CONSENT_PERSONALIZATION)
_EVENTS = contract("events").table
_ITEMS = contract("items").table


def classify_events(
    parsed: DataFrame,
    mapping: EventMapping,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    latest_time: dt.datetime | Column,
    where: str,
) -> DataFrame:
    """Give each parsed line its event fields and, where it breaks the contract, the reason.

    Parameters
    ----------
    latest_time
        Events after this instant (UTC), which may depend on the line's file, are quarantined as
        lying in the future.
    where
        File named in mapping errors.

    Returns
    -------
    DataFrame
        The columns of `events` without batch, and file, line, record, reason, detail, and what
        the line itself says of each purpose of consent. The raw user id is gone.
    """
    from pyspark.sql import functions as F

    with forgiving(parsed.sparkSession):
        field = mapped(
            parsed,
            {**mapping.fields, "time": mapping.time, "type": _type_case(mapping)},
            where=where,
        )
        null = F.lit(None).cast("string")
        consent = field.get(c.CONSENT, null)
        typed = parsed.select(
            *landed_columns(),
            field.get(c.EVENT_ID, null).alias("given_id"),
            key.column(field.get("user_id", null)).alias(c.USER_KEY),
            field["type"].alias(c.EVENT_TYPE),
            field["time"].alias("event_time_text"),
            instant(field["time"], mapping.time_format, dataset.time_zone).alias(c.EVENT_TIME),
            *read_values(field, _EVENTS, zone=dataset.time_zone, but={c.EVENT_ID, c.CONSENT}),
            consent.alias("consent_text"),
            F.coalesce(consent.try_cast("boolean"), F.when(consent.isNull(), F.lit(True))).alias(
                c.CONSENT
            ),
            *(consent.try_cast("boolean").alias(name) for name in STATED),
            F.lit(latest_time).cast("timestamp").alias("latest_time"),
            *limits_of(dataset),
        )
    made = {c.EVENT_ID, c.KEY_ID, c.EVENT_DATE}
    return with_verdict(typed, EVENT_RULES).select(
        *place_and_verdict(),
        F.coalesce(F.col("given_id"), content_key(_EVENTS)).alias(c.EVENT_ID),
        F.when(F.col(c.USER_KEY).isNotNull(), F.lit(key.key_id)).alias(c.KEY_ID),
        F.to_date(c.EVENT_TIME).alias(c.EVENT_DATE),
        *(each.name for each in _EVENTS.properties if each.name not in made),
        *STATED,
    )


def classify_items(
    parsed: DataFrame, mapping: ItemMapping, *, dataset: Dataset, where: str
) -> DataFrame:
    """The same for catalogue lines: the columns of `catalogue` and the reason."""
    with forgiving(parsed.sparkSession):
        field = mapped(parsed, mapping.fields, where=where)
        typed = parsed.select(
            *landed_columns(),
            *read_values(field, _ITEMS, zone=dataset.time_zone),
            *limits_of(dataset),
        )
    return with_verdict(typed, ITEM_RULES).select(
        *place_and_verdict(),
        content_key(_ITEMS).alias(c.EVENT_ID),
        *(each.name for each in _ITEMS.properties if each.name != c.EVENT_ID),
    )


def read_values(
    field: Mapping[str, Column], table: SchemaObject, *, zone: str, but: Set[str] = frozenset()
) -> Iterator[Column]:
    """The contract's columns that are mapped by their own name, read as their logical types.

    Of those that are not text, ``NAME_text`` is what landed. Fields not mapped are null.

    Parameters
    ----------
    but
        Columns left to the caller.
    """
    from pyspark.sql import functions as F

    null = F.lit(None).cast("string")
    for column in table.properties:
        if column.mapping != f"fields.{column.name}" or column.name in but:
            continue
        text = field.get(column.name, null)
        if column.logical_type == "string":
            yield text.alias(column.name)
            continue
        yield text.alias(f"{column.name}_text")
        if column.logical_type == "number":
            value = number(text)
        elif column.logical_type == "array":
            value = labels(text)
        elif column.logical_type == "timestamp":
            value = instant(text, "iso", zone)
        else:
            value = text.try_cast(column.physical_type)
        yield value.alias(column.name)


def place_and_verdict() -> tuple[str | Column, ...]:
    """File, line, record (of one too long its beginning), reason and detail of a judged line."""
    from pyspark.sql import functions as F

    size = F.least(F.lit(_BEGIN), F.col("max_line_bytes").cast("int"))
    begin = F.substring(F.col(c.RECORD).cast("binary"), F.lit(1), size).cast("string")
    record = F.when(F.col(c.REASON).eqNullSafe(OVERSIZED), begin).otherwise(F.col(c.RECORD))
    return (c.FILE, c.LINE, F.make_valid_utf8(record).alias(c.RECORD), c.REASON, c.DETAIL)


def limits_of(dataset: Dataset) -> list[Column]:
    """The data set's limits on a line and on its quantity, price and value, as rules name them."""
    from pyspark.sql import functions as F

    limits = dataset.limits
    return [
        F.lit(limits.max_line_bytes).cast("bigint").alias("max_line_bytes"),
        *(
            F.lit(getattr(limits, name)).cast("double").alias(name)
            for name in ("max_quantity", "max_price", "max_value")
        ),
    ]


def repeated_lines(classified: DataFrame, known: DataFrame | None) -> DataFrame | None:
    """File and line of the good lines whose event id came before, in their batch or in the lake.

    Few lines of a batch are repeated, its rows are wide and its ids long: their hashes are sorted,
    and only ids whose hash comes again are compared themselves.

    Parameters
    ----------
    known
        Event ids that are in the lake already, or None.

    Returns
    -------
    DataFrame or None
        Each line once; None where there is none.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    good = classified.where(F.col(c.REASON).isNull()).select(c.EVENT_ID, c.FILE, c.LINE)
    hashed = good.withColumn(HASH, F.xxhash64(c.EVENT_ID))
    together = hashed.select(HASH).repartition(HASH)
    again = _made(together.mapInArrow(come_again, f"{HASH} BIGINT"))
    found = []
    if again is not None:
        place = F.row_number().over(Window.partitionBy(c.EVENT_ID).orderBy(c.FILE, c.LINE))
        alike = hashed.join(again, HASH, how="left_semi").withColumn("_copy", place)
        found.append(alike.where(F.col("_copy") > 1).select(c.FILE, c.LINE))
    if known is not None:
        there = good.join(known.select(c.EVENT_ID), c.EVENT_ID, how="left_semi")
        found.append(there.select(c.FILE, c.LINE))
    return _made(reduce(lambda one, other: one.union(other), found).distinct()) if found else None


def small(frame: DataFrame) -> DataFrame:
    """A frame computed now and, where it has few rows, sent to all tasks that join it.

    So what it is joined with, the wide rows of a batch, need not be shuffled and sorted.
    """
    return _sized(frame)[0]


def _made(frame: DataFrame) -> DataFrame | None:
    """The same; None where it has no rows, so that nothing need be joined."""
    made, rows = _sized(frame)
    return made if rows else None


def _sized(frame: DataFrame) -> tuple[DataFrame, int]:
    from pyspark.sql import functions as F

    made = frame.localCheckpoint()
    rows = made.count()
    return (F.broadcast(made) if rows <= _FEW else made), rows


def with_fate(classified: DataFrame, repeated: DataFrame | None) -> DataFrame:
    """Add the fate of each line; of equal event ids the first by file and line is accepted.

    Parameters
    ----------
    repeated
        As `repeated_lines` says.
    """
    from pyspark.sql import functions as F

    good = F.lit("accepted")
    if repeated is not None:
        marked = repeated.select(c.FILE, c.LINE, F.lit(True).alias("_repeated"))
        classified = classified.join(marked, [c.FILE, c.LINE], how="left")
        good = F.when(F.col("_repeated"), "duplicate").otherwise(good)
    fate = F.when(F.col(c.REASON).isNotNull(), "quarantined").otherwise(good)
    return classified.withColumn(FATE, fate).drop("_repeated")


def _type_case(mapping: EventMapping) -> str:
    branches = " ".join(f"WHEN {rule.when} THEN '{rule.type}'" for rule in mapping.types)
    return f"CASE {branches} END"


def content_key(table: SchemaObject, instead: Mapping[str, Column] | None = None) -> Column:
    """Digest (32 hex digits) of the columns that the contract names as a row's identity.

    Parameters
    ----------
    instead
        Name to what is taken in place of the column so called.
    """
    from pyspark.sql import functions as F

    parts = [
        F.coalesce((instead or {}).get(name, F.col(name)).cast("string"), F.lit("\u0000"))
        for name in table.custom("identity")
    ]
    return F.substring(F.sha2(F.concat_ws("\u0001", *parts), 256), 1, 32)

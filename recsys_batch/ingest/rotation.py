"""Rotation of the pseudonym key: users' histories move from an old key to the current one.

Raw ids, which bronze holds, are read again and hashed under both keys; each table of silver is then
rewritten in one commit, and what was summed up of its rows is dropped. The ledger of batches names
the key of each batch: it is emptied before the first table and filled after the last, so that a
rotation that was killed is noticed, and repeated.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Dataset
from recsys_batch.errors import LakeError
from recsys_batch.ingest.batch import Source, landings, sources
from recsys_batch.ingest.classify import content_key
from recsys_batch.ingest.parse import forgiving, mapped, parse_lines
from recsys_batch.ingest.people import ALL
from recsys_batch.ingest.pseudonyms import ROTATING, PseudonymKey
from recsys_batch.ingest.replay import files_by_columns, landed_text
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.store import Lake
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SILVER = ("events", "profiles", "consents")
# What is summed up of rows of silver under their old names; made anew by the next run.
_DERIVED = ("states", "state_pairs", "state_facts", "batch_days")


def rekey(lake: Lake, *, dataset: Dataset, key: PseudonymKey, old: PseudonymKey) -> dict[str, int]:
    """Move every row of silver from the old key to the current one; a repeat moves nothing.

    The suspects of runs move, too, since later runs take them over.

    Returns
    -------
    dict
        Table to the number of rows that moved.

    Raises
    ------
    LakeError
        A row is of neither key, or its user is in no raw line. Nothing was written.
    """
    pairs = _pairs(lake, dataset, key, old).persist()
    tables = [name for name in (*_SILVER, "suspects") if lake.exists(name)]
    stale = {name: _stale(lake, name, pairs, key=key, old=old) for name in tables}
    _name_key(lake.home, ROTATING)
    for name in tables:
        if stale[name]:
            lake.replace(name, _moved(lake, name, pairs, key))
    for name in _DERIVED:
        if lake.exists(name):
            replace_rows(lake.home, name, [])
    _name_key(lake.home, key.key_id)
    pairs.unpersist()
    return stale


def _pairs(lake: Lake, dataset: Dataset, key: PseudonymKey, old: PseudonymKey) -> DataFrame:
    """Each user of bronze once: user_key under the old key, and under the current one."""
    from pyspark.sql import functions as F

    ids = [_user_ids(lake, source) for source in sources(dataset)]
    none = lake.spark.createDataFrame([], "user_id STRING")
    users = reduce(
        lambda one, other: one.union(other), [each for each in ids if each is not None], none
    )
    user_id = F.col("user_id")
    known = users.where(user_id.isNotNull()).distinct()
    return known.select(old.column(user_id).alias(c.USER_KEY), key.column(user_id).alias("moved"))


def _user_ids(lake: Lake, source: Source) -> DataFrame | None:
    from pyspark.sql import functions as F

    user_id = source.mapping.fields.get("user_id")
    if user_id is None:
        return None
    done = read_rows(lake.home, "batches", status="complete")
    landed = {row[c.FILE]: row for row in landings(done, source.name) if row["columns"]}
    text = landed_text(source.mapping.encoding).alias(c.RECORD)
    raw, parts = lake.read(source.raw_table).select(c.FILE, c.LINE, text), []
    for names, files in files_by_columns(landed, source).items() if landed else ():
        parsed = parse_lines(raw.where(F.col(c.FILE).isin(files)), source.mapping, names)
        with forgiving(lake.spark):
            field = mapped(parsed, {"user_id": user_id}, where=files[0])
            parts.append(parsed.select(field["user_id"].alias("user_id")))
    return reduce(lambda one, other: one.union(other), parts) if parts else None


def _stale(lake: Lake, name: str, pairs: DataFrame, *, key: PseudonymKey, old: PseudonymKey) -> int:
    from pyspark.sql import functions as F

    if name == "suspects":
        return lake.read(name).join(pairs, c.USER_KEY, how="left_semi").count()
    rows = lake.read(name).where(F.col(c.KEY_ID) != key.key_id)
    strange = rows.where(F.col(c.KEY_ID) != old.key_id).select(c.KEY_ID).distinct().collect()
    if strange:
        raise LakeError(
            f"rows are of the key {strange[0][0]}; the current key is {key.key_id}, the old one "
            f"{old.key_id}",
            where=lake.path(name),
            fix="give the key that made them as the old key",
        )
    lost = rows.join(pairs, c.USER_KEY, how="left_anti").select(c.USER_KEY).distinct().count()
    if lost:
        raise LakeError(
            f"{lost} users are in no raw line as user_id is mapped now",
            where=lake.path(name),
            fix="map user_id as it was when their files were taken, and rekey again",
        )
    return rows.count()


def _moved(lake: Lake, name: str, pairs: DataFrame, key: PseudonymKey) -> DataFrame:
    """All rows of a table under the current key.

    An id that is a digest of what the row says names the user, too, and is made anew, so that a
    line that lands again is still found to be there.
    """
    from pyspark.sql import functions as F

    rows, new = lake.read(name), F.col("moved")
    if name == "suspects":
        named = F.coalesce(new, F.col(c.USER_KEY)).alias(c.USER_KEY)
        others = (column for column in rows.columns if column != c.USER_KEY)
        return rows.join(pairs, c.USER_KEY, how="left").select(named, *others)
    table = contract(name).table
    digests = [content_key(table)], [content_key(table, {c.USER_KEY: new})]
    if name == "consents":  # a line about all purposes was named as such
        every = {c.PURPOSE: F.lit(ALL)}
        digests[0].append(content_key(table, every))
        digests[1].append(content_key(table, {**every, c.USER_KEY: new}))
    event_id = F.col(c.EVENT_ID)
    made = [F.when(event_id == was, now) for was, now in zip(*digests, strict=True)]
    stale = F.coalesce(F.col(c.KEY_ID) != key.key_id, F.lit(False))
    values = {
        c.USER_KEY: new,
        c.KEY_ID: F.lit(key.key_id),
        c.EVENT_ID: F.coalesce(*made, event_id),
    }
    moved = rows.join(pairs, c.USER_KEY, how="left").select(
        *(
            F.when(stale, values[column]).otherwise(F.col(column)).alias(column)
            if column in values
            else F.col(column)
            for column in rows.columns
        )
    )
    if name != "events":
        return moved
    return moved.repartition(F.col(c.EVENT_DATE)).sortWithinPartitions(c.EVENT_DATE, c.EVENT_ID)


def _name_key(home: Path, key_id: str) -> None:
    rows = [{**row, c.KEY_ID: key_id} for row in read_rows(home, "batches")]
    replace_rows(home, "batches", rows)

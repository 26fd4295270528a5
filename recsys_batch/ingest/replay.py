"""Replay: read quarantined lines again with today's mapping and let the good ones in.

A replay is a batch of its own. Its rows carry its number, so that a run sees them only from this
batch on; its ledger rows name the files whose lines it took; and its rows in quarantine say what
became of the lines whose verdict changed. What landed is never edited. Order of commits: plan
(`batches`, started), rows, quarantine, lateness, counts (complete); killed before the last, all of
it is wiped by the next batch, and the lines lie in quarantine as before.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.config import Dataset
from recsys_batch.contracts.rules import OVERSIZED
from recsys_batch.ingest.batch import (
    Source,
    append_accepted,
    classify,
    fated_lines,
    landings,
    wipe_started,
    write_batch,
    write_lateness,
)
from recsys_batch.ingest.classify import FATE
from recsys_batch.ingest.conservation import Conservation, count_fates, require_all, total
from recsys_batch.ingest.encodings import decoded
from recsys_batch.ingest.landing import LandingFile
from recsys_batch.ingest.parse import LANDED
from recsys_batch.ingest.pseudonyms import PseudonymKey, require_key
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

Begun = tuple[int, dt.datetime]  # a line's number, and an instant
_WAS = "was"  # the reason that held until now


def replay(
    lake: Lake,
    source: Source,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    now: dt.datetime,
    reasons: Sequence[str] = (),
) -> Conservation:
    """Take a source's quarantined lines anew; nothing is written where no verdict changes.

    Parameters
    ----------
    now
        Instant of the replay. Whether an event lies in the future is judged by the instant at
        which its line landed, so that waiting makes no event good.
    reasons
        Only lines with one of these; all, where there are none.

    Returns
    -------
    Conservation
        Lines taken = accepted + still quarantined + duplicate.

    Raises
    ------
    MappingError
        Today's mapping does not fit the files; nothing was taken.
    LakeError
        The key is not the lake's. Or lines were lost or doubled on the way, which conservation
        shows.
    """
    from pyspark.sql import functions as F

    require_key(lake.home, key)
    wipe_started(lake)
    done = read_rows(lake.home, "batches", status="complete")
    landed = {row[c.FILE]: row for row in landings(done, source.name)}
    standing = quarantined(lake, source, reasons).localCheckpoint()
    of_each = standing.groupBy(c.FILE, c.BATCH_SEQ)
    parts = of_each.agg(F.count(c.LINE).alias("lines"), F.min(c.LINE).alias("first")).collect()
    taken = Counter[str]()
    for part in parts:
        taken[part[c.FILE]] += part["lines"]
    if not taken:
        return Conservation()
    groups = files_by_columns({file: landed[file] for file in sorted(taken)}, source)
    raw = _raw(lake, source, standing)
    classified = _classified(raw, source, groups, _begun(parts, done), dataset=dataset, key=key)
    files = [
        LandingFile(file, Path(file), landed[file][c.FILE_DIGEST], landed[file]["bytes"])
        for file in sorted(taken)
    ]
    columns = {file: names for names, group in groups.items() for file in group}
    fated = fated_lines(lake, source, classified, done=done)
    counts = count_fates(fated, time=source.time)
    require_all(counts, taken, where=f"{lake.home}, replay of {source.name}")
    changed = _changed(fated, standing, source)
    if not changed.isEmpty():
        seq = 1 + max(row[c.BATCH_SEQ] for row in done)
        write = partial(
            write_batch,
            lake,
            source,
            seq,
            files,
            columns=columns,
            key=key,
            at=now,
            kind="replay",
        )
        write(status="started")
        append_accepted(lake, source, seq, fated, counts)
        lake.append("quarantine", changed.withColumn(c.BATCH_SEQ, F.lit(seq)))
        write_lateness(lake, source, seq, counts, done=done)
        write(status="complete", counts=counts)
    lake.spark.catalog.clearCache()
    return total(counts, files=len(files))


def quarantined(lake: Lake, source: Source, reasons: Sequence[str]) -> DataFrame:
    """Whole lines of a source in quarantine after all batches: file, line, batch_seq, was.

    `batch_seq` is the batch that landed the line.
    """
    from pyspark.sql import functions as F

    verdict = F.max_by(F.struct(FATE, c.REASON), c.BATCH_SEQ)
    latest = (
        lake.read("quarantine", source=source.name)
        .groupBy(c.FILE, c.LINE)
        .agg(F.min(c.BATCH_SEQ).alias(c.BATCH_SEQ), verdict.alias("verdict"))
        .where(F.col(f"verdict.{FATE}") == "quarantined")
        .where(F.col(f"verdict.{c.REASON}") != OVERSIZED)  # bronze has no more than its beginning
        .select(c.FILE, c.LINE, c.BATCH_SEQ, F.col(f"verdict.{c.REASON}").alias(_WAS))
    )
    return latest.where(F.col(_WAS).isin(list(reasons))) if reasons else latest


def _raw(lake: Lake, source: Source, standing: DataFrame) -> DataFrame:
    """The records of lines as they landed: file, line, record."""
    from pyspark.sql import functions as F

    batches = [row[0] for row in standing.select(c.BATCH_SEQ).distinct().collect()]
    raw = lake.read(source.raw_table).where(F.col(c.BATCH_SEQ).isin(batches))
    return raw.join(standing, [c.BATCH_SEQ, c.FILE, c.LINE], how="inner").select(
        c.FILE, c.LINE, landed_text(source.mapping.encoding).alias(c.RECORD)
    )


def landed_text(encoding: str) -> Column:
    """The record of a landed line, read again.

    Bytes that were no text in the encoding of the landing are read with today's; a byte pair that
    stands for one which that encoding left undefined stays as it is.
    """
    from pyspark.sql import functions as F

    record = F.col(c.RECORD)
    return (
        F.when(F.is_valid_utf8(record), record)
        .when(F.hex(record).rlike("^(?:..)*ED[AB]"), record)
        .otherwise(decoded(record, encoding))
    )


def files_by_columns(
    landed: Mapping[str, Mapping[str, Any]], source: Source
) -> dict[tuple[str, ...], list[str]]:
    """Files by the columns that they landed with; JSON files are one group."""
    mapping = source.mapping
    if mapping.format == "jsonl":
        keys = {key for row in landed.values() for key in row["columns"]}
        return {(*sorted(keys | set(mapping.columns)),): list(landed)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for file, row in landed.items():
        names = tuple(row["columns"]) if mapping.header else mapping.columns
        groups.setdefault(names, []).append(file)
    return groups


def _classified(
    raw: DataFrame,
    source: Source,
    groups: Mapping[tuple[str, ...], Sequence[str]],
    begun: Mapping[str, Sequence[Begun]],
    *,
    dataset: Dataset,
    key: PseudonymKey,
) -> DataFrame:
    from pyspark.sql import functions as F

    made: DataFrame | None = None
    for names, files in groups.items():
        part = raw.where(F.col(c.FILE).isin(list(files))) if len(groups) > 1 else raw
        each = classify(
            *(part, source, names, Path(files[0])),
            dataset=dataset,
            key=key,
            landed_at=_landed_at({file: begun[file] for file in files}),
        )
        made = each if made is None else made.unionByName(each)
    assert made is not None
    return made


def _begun(parts: Sequence[Row], done: Sequence[Mapping[str, Any]]) -> dict[str, list[Begun]]:
    """Of each file, where the lines of a batch begin and when it landed; one unless it grew."""
    landed = {row[c.BATCH_SEQ]: row[c.TAKEN_AT] for row in done}
    begun: dict[str, list[Begun]] = {}
    for part in parts:
        begun.setdefault(part[c.FILE], []).append((part["first"], landed[part[c.BATCH_SEQ]]))
    return begun


def _landed_at(begun: Mapping[str, Sequence[Begun]]) -> Column:
    """When the batch of a line landed: of those of its file, the last that begins before it."""
    from pyspark.sql import functions as F

    def batch(line: int, at: dt.datetime) -> Column:
        return F.struct(F.lit(line).cast("bigint").alias("line"), F.lit(at).alias("at"))

    pairs = chain.from_iterable(
        (F.lit(file), F.array(*(batch(*each) for each in of_file)))
        for file, of_file in begun.items()
    )
    of_line = F.element_at(F.create_map(*pairs), F.col(f"{LANDED}.{c.FILE}"))
    line = F.col(f"{LANDED}.{c.LINE}")
    return F.array_max(F.filter(of_line, lambda each: each["line"] <= line))["at"]


def _changed(fated: DataFrame, standing: DataFrame, source: Source) -> DataFrame:
    """Rows of quarantine for lines with another verdict; what was let in needs no record there."""
    from pyspark.sql import functions as F

    return (
        fated.join(standing.select(c.FILE, c.LINE, _WAS), [c.FILE, c.LINE], how="inner")
        .where(~F.col(c.REASON).eqNullSafe(F.col(_WAS)))
        .withColumn(c.RECORD, F.when(F.col(FATE) == "quarantined", F.col(c.RECORD)))
        .withColumn("source", F.lit(source.name))
    )

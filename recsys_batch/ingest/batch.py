"""One batch: take the new files of a source, all of it or none of it, however often it is killed.

Order of commits: plan (`batches`, started), raw lines, rows, quarantine, counts (`batches`,
complete). Readers use complete batches only; a batch found started is wiped and taken again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import Dataset, EventMapping, ItemMapping
from recsys_batch.contracts.rules import EVENT_RULES, ITEM_RULES, contract_digest
from recsys_batch.errors import LandingError
from recsys_batch.ingest.classify import FATE, classify_events, classify_items, mark_duplicates
from recsys_batch.ingest.conservation import Conservation, Counts, count_fates, require_all
from recsys_batch.ingest.landing import LandingFile, header, new_files
from recsys_batch.ingest.parse import json_keys, parse_csv, parse_jsonl
from recsys_batch.ingest.pseudonyms import PseudonymKey, content_digest
from recsys_batch.ingest.raw import raw_lines
from recsys_batch.ingest.values import require_time_format
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Source:
    """A kind of landing file and the tables that its lines go to."""

    name: str
    mapping: EventMapping | ItemMapping
    raw_table: str
    table: str

    @property
    def contract(self) -> str:
        """Digest of mapping and rules."""
        rules = EVENT_RULES if isinstance(self.mapping, EventMapping) else ITEM_RULES
        return contract_digest(self.mapping, rules)


def sources(dataset: Dataset) -> tuple[Source, ...]:
    """The sources of a data set: its catalogue, if it lands as files, and its events."""
    events = Source("events", dataset.events, "raw_events", "events")
    if dataset.items is None:
        return (events,)
    return (Source("items", dataset.items, "raw_items", "catalogue"), events)


def take(
    lake: Lake,
    source: Source,
    *,
    dataset: Dataset,
    landing: Path,
    key: PseudonymKey,
    now: dt.datetime,
) -> Conservation:
    """Take what is new of a source; return its conservation, all zero where nothing is new.

    Parameters
    ----------
    now
        Instant of the landing; events later than it by more than the data set allows are
        quarantined.

    Raises
    ------
    LandingError, MappingError
        Files or mapping are at fault; nothing was taken.
    LakeError
        Rows were lost or doubled on the way, which conservation shows.
    """
    _wipe_started(lake)
    done = read_rows(lake.home, "batches", status="complete")
    taken = {row[c.FILE]: row[c.FILE_DIGEST] for row in done if row["source"] == source.name}
    files = new_files(landing, source.mapping, taken=taken)
    if not files:
        return Conservation()
    seq = 1 + max((row[c.BATCH_SEQ] for row in done), default=0)
    filled = [file for file in files if file.size]
    raw, landed = raw_lines(lake.spark, filled, source.mapping) if filled else (None, {})
    groups = {} if raw is None else _by_columns(filled, raw, source)
    _check_mapping(lake, source, groups, dataset=dataset, key=key, now=now)
    _write_batch(lake, source, seq, files, counts={}, status="started")
    counts: dict[str, Counts] = {}
    if raw is not None:
        from pyspark.sql import functions as F

        lake.replace(
            source.raw_table, raw.withColumn(c.BATCH_SEQ, F.lit(seq)), **{c.BATCH_SEQ: seq}
        )
        counts = _store(lake, source, seq, groups, dataset=dataset, key=key, now=now)
        require_all(counts, landed, where=f"{lake.home}, batch {seq}")
    _write_batch(lake, source, seq, files, counts=counts, status="complete")
    total = sum((Conservation(0, *each) for each in counts.values()), Conservation())
    return total + Conservation(files=len(files))


def _wipe_started(lake: Lake) -> None:
    """Undo batches that a kill left half-done, whichever source they were of."""
    started = read_rows(lake.home, "batches", status="started")
    for seq in {row[c.BATCH_SEQ] for row in started}:
        for table in ("events", "catalogue", "raw_events", "raw_items", "quarantine"):
            lake.delete(table, **{c.BATCH_SEQ: seq})
        replace_rows(lake.home, "batches", [], **{c.BATCH_SEQ: seq})


def _by_columns(
    files: Iterable[LandingFile], raw: DataFrame, source: Source
) -> dict[tuple[str, ...], list[LandingFile]]:
    """Files by their columns; JSON files are one group, with the keys that any of them has."""
    groups: dict[tuple[str, ...], list[LandingFile]] = {}
    mapping = source.mapping
    if mapping.format == "jsonl":
        files = list(files)
        keys = json_keys(raw)
        if not keys:
            raise LandingError(
                "no line is a JSON object",
                where=", ".join(str(file.path) for file in files[:3]),
                fix="land one JSON object a line, or correct `format` in the dataset's YAML",
            )
        return {(*keys, *mapping.columns): files}
    for file in files:
        names = header(file, mapping) if mapping.header else mapping.columns
        groups.setdefault(names, []).append(file)
    return groups


def _check_mapping(
    lake: Lake,
    source: Source,
    groups: dict[tuple[str, ...], list[LandingFile]],
    *,
    dataset: Dataset,
    key: PseudonymKey,
    now: dt.datetime,
) -> None:
    """Resolve the mapping against each set of columns before anything is written."""
    nothing = lake.spark.createDataFrame([], f"{c.FILE} STRING, {c.LINE} BIGINT, record STRING")
    for names, files in groups.items():
        if isinstance(source.mapping, EventMapping):
            where = f"{files[0].path}, events.time_format"
            require_time_format(lake.spark, source.mapping.time_format, where=where)
        _classify(nothing, source, names, files[0], dataset=dataset, key=key, now=now)


def _classify(
    raw: DataFrame,
    source: Source,
    names: tuple[str, ...],
    example: LandingFile,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    now: dt.datetime,
) -> DataFrame:
    mapping = source.mapping
    csv = mapping.format == "csv"
    parsed = parse_csv(raw, mapping, names) if csv else parse_jsonl(raw, names)
    if isinstance(mapping, EventMapping):
        latest = now + dt.timedelta(hours=dataset.max_future_hours)
        return classify_events(
            parsed, mapping, dataset=dataset, key=key, latest_time=latest, where=str(example.path)
        )
    return classify_items(parsed, mapping, dataset=dataset, where=str(example.path))


def _store(
    lake: Lake,
    source: Source,
    seq: int,
    groups: dict[tuple[str, ...], list[LandingFile]],
    *,
    dataset: Dataset,
    key: PseudonymKey,
    now: dt.datetime,
) -> dict[str, Counts]:
    """Write rows and quarantine; return landed, accepted, quarantined, duplicate by file."""
    from pyspark.sql import functions as F

    raw = lake.read(source.raw_table, **{c.BATCH_SEQ: seq})
    classified: DataFrame | None = None
    for names, files in groups.items():
        part = (
            raw.where(F.col(c.FILE).isin([file.name for file in files])) if len(groups) > 1 else raw
        )
        each = _classify(part, source, names, files[0], dataset=dataset, key=key, now=now)
        classified = each if classified is None else classified.unionByName(each)
    if classified is None:
        return {}
    classified = classified.persist()
    known = _known_ids(lake, source, classified)
    fated = mark_duplicates(classified, known).withColumn(c.BATCH_SEQ, F.lit(seq)).persist()
    try:
        counts = count_fates(fated)
        good = fated.where(F.col(FATE) == "accepted")
        if source.name == "events":
            good = good.repartition(F.col(c.EVENT_DATE)).sortWithinPartitions(
                c.EVENT_DATE, c.EVENT_ID
            )
        lake.append(source.table, good)
        bad = fated.where(F.col(FATE) == "quarantined").withColumn("source", F.lit(source.name))
        if any(each[2] for each in counts.values()):
            lake.append("quarantine", bad)
    finally:
        fated.unpersist()
        classified.unpersist()
    return counts


def _known_ids(lake: Lake, source: Source, classified: DataFrame) -> DataFrame | None:
    """Ids that may be repeated.

    A digest of an event's content holds its time, so only the batch's own days can have it; an id
    that the source gave may come again with any time.
    """
    from pyspark.sql import functions as F

    if not lake.exists(source.table):
        return None
    known = lake.read(source.table)
    if source.name != "events" or c.EVENT_ID in source.mapping.fields:
        return known
    days = classified.where(F.col(c.REASON).isNull()).select(c.EVENT_DATE).distinct()
    return known.where(F.col(c.EVENT_DATE).isin([row[0] for row in days.collect()]))


def _write_batch(
    lake: Lake,
    source: Source,
    seq: int,
    files: Sequence[LandingFile],
    *,
    counts: dict[str, Counts],
    status: str,
) -> None:
    batch_id = content_digest(*(part for file in files for part in (file.name, file.digest)))[:16]
    rows = []
    for file in files:
        landed, accepted, quarantined, duplicate = counts.get(file.name, (0, 0, 0, 0))
        rows.append(
            {
                c.BATCH_SEQ: seq,
                c.BATCH_ID: batch_id,
                "source": source.name,
                "status": status,
                c.CONTRACT_DIGEST: source.contract,
                c.FILE: file.name,
                c.FILE_DIGEST: file.digest,
                "bytes": file.size,
                c.LANDED: landed,
                c.ACCEPTED: accepted,
                c.QUARANTINED: quarantined,
                c.DUPLICATE: duplicate,
            }
        )
    replace_rows(lake.home, "batches", rows, **{c.BATCH_SEQ: seq})

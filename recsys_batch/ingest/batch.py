"""One batch: take the new files of a source, all of it or none of it, however often it is killed.

Order of commits: plan (`batches`, started), raw lines, shape of the files (`schemas`), rows,
quarantine, counts (`batches`, complete). Readers use complete batches only; a batch found started
is wiped and taken again.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from recsys_batch import columns as c
from recsys_batch.config import (
    ConsentMapping,
    Dataset,
    EventMapping,
    FileFormat,
    ItemMapping,
    ProfileMapping,
    SourceMapping,
    SourceName,
)
from recsys_batch.contracts.rules import (
    CONSENT_RULES,
    EVENT_RULES,
    ITEM_RULES,
    PROFILE_RULES,
    contract_digest,
)
from recsys_batch.errors import ContractError, LandingError, MappingError
from recsys_batch.ingest.bronze import keep_lines
from recsys_batch.ingest.classify import (
    FATE,
    classify_events,
    classify_items,
    repeated_lines,
    with_fate,
)
from recsys_batch.ingest.conservation import (
    Conservation,
    Counts,
    count_fates,
    refuse_flood,
    require_all,
    total,
)
from recsys_batch.ingest.evolution import Watch
from recsys_batch.ingest.known import event_days
from recsys_batch.ingest.landing import LandingFile, Taken, header, new_files
from recsys_batch.ingest.lateness import lateness_rows, watermark
from recsys_batch.ingest.objects import S3Folder, S3Object
from recsys_batch.ingest.parse import json_types, parse_lines
from recsys_batch.ingest.people import classify_consents, classify_profiles, statements
from recsys_batch.ingest.pseudonyms import PseudonymKey, content_digest, require_key
from recsys_batch.ingest.raw import raw_lines
from recsys_batch.ingest.schema_ledger import forget, history
from recsys_batch.ingest.shapes import Shape, declared
from recsys_batch.ingest.stamps import kept_stamps
from recsys_batch.ingest.unclear import refuse_unusable
from recsys_batch.ingest.values import require_time_format
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.store import Lake
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_RULES = {
    EventMapping: EVENT_RULES,
    ItemMapping: ITEM_RULES,
    ProfileMapping: PROFILE_RULES,
    ConsentMapping: CONSENT_RULES,
}
_FILES_A_DAY = 2  # on average; above it, what a shuffle costs is less than what many files cost
# Whatever a batch may have written when it was killed.
_WRITTEN = (
    *("events", "catalogue", "profiles", "consents", "quarantine"),
    *("raw_events", "raw_items", "raw_profiles", "raw_consents"),
)


@dataclass(frozen=True)
class Source:
    """A kind of landing file, the tables that its lines go to, and their column of time."""

    name: SourceName
    mapping: SourceMapping
    raw_table: str
    table: str
    time: str

    @property
    def contract(self) -> str:
        """Digest of mapping and rules."""
        return contract_digest(self.mapping, _RULES[type(self.mapping)])

    @property
    def states_consent(self) -> bool:
        """Whether its lines may say what a user consents to."""
        if isinstance(self.mapping, ItemMapping):
            return False
        stating = {c.CONSENT, c.CONSENT_TRAINING, c.CONSENT_PERSONALIZATION, c.GRANTED}
        return not stating.isdisjoint(self.mapping.fields)


def sources(dataset: Dataset) -> tuple[Source, ...]:
    """The sources of a data set: its events, and before them what lands beside them."""
    kinds: tuple[tuple[SourceName, SourceMapping | None, str, str], ...] = (
        ("items", dataset.items, "catalogue", c.VALID_FROM),
        ("profiles", dataset.profiles, "profiles", c.VALID_FROM),
        ("consents", dataset.consents, "consents", c.STATED_AT),
        ("events", dataset.events, "events", c.EVENT_TIME),
    )
    return tuple(
        Source(name, mapping, f"raw_{name}", table, time)
        for name, mapping, table, time in kinds
        if mapping is not None
    )


def take(
    lake: Lake,
    source: Source,
    *,
    dataset: Dataset,
    landing: Path | S3Folder,
    key: PseudonymKey,
    now: dt.datetime,
    say: Callable[[str], None] = lambda _line: None,
) -> Conservation:
    """Take what is new of a source; return its conservation, all zero where nothing is new.

    Parameters
    ----------
    now
        Instant of the landing; events later than it by more than the data set allows are
        quarantined.
    say
        Called with a line for the user: how the files differ from those before.

    Raises
    ------
    ContractError
        The files differ from those before in a way that breaks the mapping, or too many of their
        lines would be quarantined; nothing was taken.
    LandingError, MappingError
        Files or mapping are at fault; nothing was taken.
    LakeError
        Rows were lost or doubled on the way, which conservation shows.
    """
    require_key(lake.home, key)
    wipe_started(lake)
    done = read_rows(lake.home, "batches", status="complete")
    taken = {
        row[c.FILE]: Taken(row[c.FILE_DIGEST], row["bytes"], row["etag"])
        for row in landings(done, source.name)
    }
    longest = dataset.limits.max_line_bytes
    with kept_stamps(lake.home, source.name) as stamps:
        files = new_files(landing, source.mapping, taken=taken, longest=longest, stamps=stamps)
    if not files:
        return Conservation()
    seq = 1 + max((row[c.BATCH_SEQ] for row in done), default=0)
    filled = [file for file in files if file.pieces]
    raw = raw_lines(lake.spark, filled, source.mapping, longest=longest) if filled else None
    before = history(lake.home, source.name, source.mapping.version)
    groups, kinds = ({}, {}) if raw is None else _by_columns(filled, raw, source, before)
    watch = Watch(
        home=lake.home,
        source=source.name,
        mapping=source.mapping,
        batch_seq=seq,
        batch_id=batch_id(files),
        groups={names: [file.name for file in group] for names, group in groups.items()},
        columns=kinds,
        before=before,
        say=say,
    )
    try:
        _check_mapping(lake, source, groups, dataset=dataset, key=key, now=now)
    except MappingError as error:
        watch.refuse_missing(error)
        raise
    columns = {file.name: names for names, group in groups.items() for file in group}
    write = partial(write_batch, lake, source, seq, files, columns=columns, key=key, at=now)
    write(status="started")
    counts: dict[str, Counts] = {}
    if raw is not None:
        keep_lines(
            *(lake, source.raw_table, filled, source.mapping), batch_seq=seq, longest=longest
        )
        try:
            counts = _store(
                *(lake, source, seq, groups),
                watch=watch,
                done=done,
                dataset=dataset,
                key=key,
                now=now,
            )
        except ContractError:
            wipe_started(lake)
            raise
        finally:
            lake.spark.catalog.clearCache()
        landed = {file.name: file.records for file in files}
        require_all(counts, landed, where=f"{lake.home}, batch {seq}")
    write_lateness(lake, source, seq, counts, done=done)
    write(status="complete", counts=counts)
    return total(counts, files=len(files))


def landings(done: Iterable[Mapping[str, Any]], source: str) -> list[Mapping[str, Any]]:
    """The ledger's rows of files that a source landed, the latest of a file last."""
    mine = (row for row in done if row["source"] == source and row[c.KIND] == "landing")
    return sorted(mine, key=lambda row: int(row[c.BATCH_SEQ]))


def wipe_started(lake: Lake) -> None:
    """Undo batches that a kill left half-done, whichever source they were of."""
    started = read_rows(lake.home, "batches", status="started")
    for seq in {row[c.BATCH_SEQ] for row in started}:
        for table in _WRITTEN:
            lake.delete(table, **{c.BATCH_SEQ: seq})
        forget(lake.home, seq)
        for table in ("lateness", "batches"):
            replace_rows(lake.home, table, [], **{c.BATCH_SEQ: seq})


def _by_columns(
    files: Iterable[LandingFile], raw: DataFrame, source: Source, before: Shape | None
) -> tuple[dict[tuple[str, ...], list[LandingFile]], dict[str, dict[str, int]]]:
    """Files by their columns, and the kinds of each column.

    JSON files are one group, with the keys that any of them has or that a batch before had.
    """
    groups: dict[tuple[str, ...], list[LandingFile]] = {}
    kinds: dict[str, dict[str, int]] = {}
    mapping = source.mapping
    if mapping.format == "jsonl":
        files = list(files)
        types = json_types(raw)
        if not types:
            raise LandingError(
                "no line is a JSON object",
                where=", ".join(str(file.path) for file in files[:3]),
                fix="land one JSON object a line, or correct `format` in the dataset's YAML",
            )
        for name, counts in types.items():
            same = kinds.setdefault(name.lower(), {})
            for kind, values in counts.items():
                same[kind] = same.get(kind, 0) + values
        known = [] if before is None else [name for name in before.columns if name not in kinds]
        return {(*types, *mapping.columns, *known): files}, kinds
    for file in files:
        groups.setdefault(_columns(file, mapping), []).append(file)
    for name, found in (declared(each, mapping.format) for names in groups for each in names):
        kinds.setdefault(name, {}).update(found)
    return groups, kinds


def _columns(file: LandingFile, mapping: FileFormat) -> tuple[str, ...]:
    if mapping.format == "parquet":
        return file.columns
    return header(file, mapping) if mapping.header else mapping.columns


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
        classify(nothing, source, names, files[0].path, dataset=dataset, key=key, landed_at=now)


def classify(
    raw: DataFrame,
    source: Source,
    names: tuple[str, ...],
    example: Path | S3Object,
    *,
    dataset: Dataset,
    key: PseudonymKey,
    landed_at: dt.datetime | Column,
) -> DataFrame:
    """Raw lines of files with the columns `names` to contract fields and reasons.

    Parameters
    ----------
    example
        One of the files, for messages.
    landed_at
        Instant of the landing, or a column of it over a line's file (`parse.landed_columns`).
    """
    from pyspark.sql import functions as F

    mapping = source.mapping
    parsed, where = parse_lines(raw, mapping, names), str(example)
    if isinstance(mapping, ItemMapping):
        return classify_items(parsed, mapping, dataset=dataset, where=where)
    ahead = dt.timedelta(hours=dataset.max_future_hours)
    latest = F.lit(landed_at).cast("timestamp") + F.lit(ahead)
    if isinstance(mapping, ProfileMapping):
        return classify_profiles(
            parsed, mapping, dataset=dataset, key=key, latest_time=latest, where=where
        )
    if isinstance(mapping, ConsentMapping):
        return classify_consents(
            parsed, mapping, dataset=dataset, key=key, latest_time=latest, where=where
        )
    return classify_events(
        parsed, mapping, dataset=dataset, key=key, latest_time=latest, where=where
    )


def _store(
    lake: Lake,
    source: Source,
    seq: int,
    groups: dict[tuple[str, ...], list[LandingFile]],
    *,
    watch: Watch,
    done: Sequence[Mapping[str, Any]],
    dataset: Dataset,
    key: PseudonymKey,
    now: dt.datetime,
) -> dict[str, Counts]:
    """Write rows and quarantine; return the lines of each file by fate."""
    from pyspark.sql import functions as F

    raw = lake.read(source.raw_table, **{c.BATCH_SEQ: seq})
    classified: DataFrame | None = None
    for names, files in groups.items():
        part = (
            raw.where(F.col(c.FILE).isin([file.name for file in files])) if len(groups) > 1 else raw
        )
        each = classify(part, source, names, files[0].path, dataset=dataset, key=key, landed_at=now)
        classified = each if classified is None else classified.unionByName(each)
    if classified is None:
        return {}
    fated = fated_lines(lake, source, classified, done=done)
    counts = count_fates(fated, time=source.time, fields=watch.fields)
    watch.check(fated, counts.values())
    rows, where = total(counts, files=len(counts)), f"{lake.home}, source {source.name}"
    if isinstance(source.mapping, ConsentMapping) and rows.quarantined:
        refuse_unusable(fated, source.mapping, landed=rows.landed, where=where)
    refuse_flood(fated, rows, limit=dataset.limits.max_quarantined_share, where=where)
    append_accepted(lake, source, seq, fated, counts)
    if any(count.quarantined for count in counts.values()):
        bad = fated.where(F.col(FATE) == "quarantined").withColumn(c.BATCH_SEQ, F.lit(seq))
        lake.append("quarantine", bad.withColumn("source", F.lit(source.name)))
    return counts


def fated_lines(
    lake: Lake, source: Source, classified: DataFrame, *, done: Iterable[Mapping[str, Any]]
) -> DataFrame:
    """Classified lines with their fate, once and for all; `done` is the ledger before them.

    What is known is read once: after a write to the table of the accepted, each of them would be
    a duplicate of itself. Lines that are not quarantined lose their record, which lies in bronze.
    """
    from pyspark.sql import functions as F

    record = F.when(F.col(c.REASON).isNotNull(), F.col(c.RECORD))
    classified = classified.withColumn(c.RECORD, record).persist()
    repeated = repeated_lines(classified, _known_ids(lake, source, classified, done))
    return with_fate(classified, repeated)


def append_accepted(
    lake: Lake, source: Source, seq: int, fated: DataFrame, counts: Mapping[str, Counts]
) -> None:
    """Append a batch's accepted lines to their table, and what they state of consent.

    Events are gathered by day before, unless they land by day: then each task has few days.
    """
    from pyspark.sql import functions as F

    good = fated.where(F.col(FATE) == "accepted").withColumn(c.BATCH_SEQ, F.lit(seq))
    if source.table != "consents":
        by_day = good
        if source.name == "events" and not landed_by_day(counts):
            by_day = good.repartition(F.col(c.EVENT_DATE))
        lake.append(source.table, by_day)
    if source.states_consent:
        lake.append("consents", statements(good, source=source.name))


def landed_by_day(counts: Mapping[str, Counts]) -> bool:
    """Whether the partitions that were counted hold so few days each that files stay few."""
    places = {place for count in counts.values() for place in count.places}
    days = {day for _, day in places}
    return len(places) <= _FILES_A_DAY * len(days)


def _known_ids(
    lake: Lake, source: Source, classified: DataFrame, done: Iterable[Mapping[str, Any]]
) -> DataFrame | None:
    """Ids that may be repeated; of events, those of the days where one may lie."""
    from pyspark.sql import functions as F

    if not lake.exists(source.table):
        return None
    if source.name == "events":
        good = classified.where(F.col(c.REASON).isNull())
        given = c.EVENT_ID in source.mapping.fields
        days: dict[str, Any] = {c.EVENT_DATE: event_days(lake, good, done, given_ids=given)}
        return lake.read(source.table, **days)
    known = lake.read(source.table)
    if source.table == "consents":  # where other sources' statements lie, too
        return known.where(F.col(c.SOURCE) == source.name)
    return known


def batch_id(files: Sequence[LandingFile]) -> str:
    """Digest of the names and contents of a batch's files."""
    return content_digest(*(part for file in files for part in (file.name, file.digest)))[:16]


def write_lateness(
    lake: Lake,
    source: Source,
    seq: int,
    counts: Mapping[str, Counts],
    *,
    done: Sequence[Mapping[str, Any]],
) -> None:
    """Store how late a batch's events were; `done` are the rows of the batches before it."""
    days = sum((count.days for count in counts.values()), Counter())
    if source.name == "events" and days:
        rows = lateness_rows(days, seq=seq, before=watermark(done, source=source.name))
        replace_rows(lake.home, "lateness", rows, **{c.BATCH_SEQ: seq})


def write_batch(
    lake: Lake,
    source: Source,
    seq: int,
    files: Sequence[LandingFile],
    *,
    columns: Mapping[str, Sequence[str]],
    key: PseudonymKey,
    at: dt.datetime,
    status: Literal["started", "complete"],
    counts: Mapping[str, Counts] = MappingProxyType({}),
    kind: Literal["landing", "replay"] = "landing",
) -> None:
    """Write the ledger's rows of a batch in place of those that it has.

    Parameters
    ----------
    columns
        File to the columns that its lines are split into.
    key
        The pseudonym key of its rows.
    at
        When the batch was taken.
    counts
        File to its lines by fate; nothing while the batch is started.
    """
    rows, of_files, version = [], batch_id(files), contract(source.name).version
    for file in files:
        count = counts.get(file.name, Counts())
        rows.append(
            {
                c.BATCH_SEQ: seq,
                c.BATCH_ID: of_files,
                "source": source.name,
                c.KIND: kind,
                "status": status,
                c.TAKEN_AT: at,
                c.CONTRACT_VERSION: version,
                c.CONTRACT_DIGEST: source.contract,
                c.FILE: file.name,
                c.FILE_DIGEST: file.digest,
                "bytes": file.size,
                "etag": file.etag,
                "columns": list(columns.get(file.name, ())),
                c.KEY_ID: key.key_id,
                c.LANDED: count.landed,
                c.ACCEPTED: count.accepted,
                c.QUARANTINED: count.quarantined,
                c.DUPLICATE: count.duplicate,
                c.NEWEST_TIME: count.newest,
            }
        )
    replace_rows(lake.home, "batches", rows, **{c.BATCH_SEQ: seq})

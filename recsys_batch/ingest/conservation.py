"""Conservation of rows: what landed was accepted, quarantined or a duplicate, and is counted."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.errors import ContractError, LakeError
from recsys_batch.ingest.classify import FATE
from recsys_batch.ingest.shapes import LEAST

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass
class Counts:
    """The lines of a file by fate, when its accepted lines happened, and what could be read.

    Attributes
    ----------
    newest
        Latest time (UTC) of an accepted line.
    days
        Accepted lines by the UTC day of their time.
    reasons
        Quarantined lines by reason.
    read
        Lines in which a field has a value, by field.
    places
        Partitions of the frame that was counted, and the days of which each has accepted lines.
    """

    landed: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0
    newest: dt.datetime | None = None
    days: Counter[dt.date] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    places: set[tuple[int, dt.date]] = field(default_factory=set)


@dataclass(frozen=True)
class Conservation:
    """Rows of a batch: landed = accepted + quarantined + duplicate."""

    files: int = 0
    landed: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0

    def __add__(self, other: Conservation) -> Conservation:
        return Conservation(
            self.files + other.files,
            self.landed + other.landed,
            self.accepted + other.accepted,
            self.quarantined + other.quarantined,
            self.duplicate + other.duplicate,
        )


def count_fates(fated: DataFrame, *, time: str, fields: Sequence[str] = ()) -> dict[str, Counts]:
    """Count the lines of each file in one pass.

    Parameters
    ----------
    time
        The column by whose day accepted lines are counted.
    fields
        Columns whose values are counted.
    """
    from pyspark.sql import functions as F

    # As numbers, of accepted lines alone: another may lie beyond every calendar of Python's.
    good = F.col(FATE) == "accepted"
    day = F.when(good, F.unix_date(F.to_date(time))).alias("day")
    rows = fated.groupBy(c.FILE, FATE, c.REASON, day, F.spark_partition_id().alias("place")).agg(
        F.count(F.lit(1)), F.max(F.when(good, F.unix_micros(time))), *map(F.count, fields)
    )
    counts: dict[str, Counts] = {}
    for file, fate, reason, days, place, lines, newest, *read in rows.collect():
        count = counts.setdefault(file, Counts())
        count.landed += lines
        setattr(count, fate, getattr(count, fate) + lines)
        count.read.update(dict(zip(fields, read, strict=True)))
        if reason is not None:
            count.reasons[reason] += lines
        if days is not None:
            date = (_EPOCH + dt.timedelta(days=days)).date()
            count.days[date] += lines
            count.places.add((place, date))
            latest = _EPOCH + dt.timedelta(microseconds=newest)
            count.newest = max(latest, count.newest or latest)
    return counts


def total(counts: Mapping[str, Counts], *, files: int) -> Conservation:
    """The rows of a batch of so many files."""
    each = counts.values()
    return Conservation(
        files,
        sum(count.landed for count in each),
        sum(count.accepted for count in each),
        sum(count.quarantined for count in each),
        sum(count.duplicate for count in each),
    )


def require_all(counts: Mapping[str, Counts], records: Mapping[str, int], *, where: str) -> None:
    """Compare the lines that have a fate with the records counted in the files.

    Raises
    ------
    LakeError
        They are not the same.
    """
    for file, landed in records.items():
        count = counts.get(file, Counts())
        fated = (count.accepted, count.quarantined, count.duplicate)
        if count.landed != landed or sum(fated) != landed:
            raise LakeError(
                f"{landed} records landed, {count.landed} are accounted for as {fated}",
                where=f"{where}, file {file}",
                fix="run ingest again; the batch is not complete and is taken anew",
            )


def refuse_flood(fated: DataFrame, rows: Conservation, *, limit: float | None, where: str) -> None:
    """Stop at a batch of which too large a share is quarantined; a small one tells nothing.

    Parameters
    ----------
    fated
        The batch's lines, with reason.
    rows
        How many they are by fate.
    limit
        The greatest share; None sets no limit.

    Raises
    ------
    ContractError
        It is exceeded; the message has a line a reason.
    """
    from pyspark.sql import functions as F

    if limit is None or rows.landed < LEAST or rows.quarantined <= limit * rows.landed:
        return
    raise ContractError(
        f"{rows.quarantined} of {rows.landed} lines would be quarantined, more than "
        f"limits.max_quarantined_share of {limit:g}, and nothing was taken:"
        f"{by_reason(fated.where(F.col(FATE) == 'quarantined'))}\n",
        where=where,
        fix="correct the files or the mapping, or raise the limit in the dataset's YAML; the "
        "files are taken by the next run",
    )


def by_reason(bad: DataFrame) -> str:
    """A line of text for each reason of lines: how many, and where the first is."""
    from pyspark.sql import functions as F

    place = F.min(F.struct(c.FILE, c.LINE)).alias("first")
    found = bad.groupBy(c.REASON).agg(F.count(F.lit(1)).alias("lines"), place).collect()
    return "".join(
        f"\n  {row['lines']} {row[c.REASON]}, first {row['first'][c.FILE]}, "
        f"line {row['first'][c.LINE]}"
        for row in sorted(found, key=lambda row: (-row["lines"], row[c.REASON]))
    )


def standing(batches: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Conservation]:
    """How each file stands after all its batches, the one that landed it and its replays.

    A replay takes lines out of quarantine and lets fewer of them back in, so that at any time
    landed = accepted + quarantined + duplicate holds of the whole file.

    Parameters
    ----------
    batches
        Complete rows of the table `batches`.

    Returns
    -------
    dict
        (source, file) to its rows.
    """
    found: dict[tuple[str, str], Conservation] = {}
    for row in batches:
        landing = row[c.KIND] == "landing"
        fate = Conservation(
            landed=row[c.LANDED] if landing else 0,
            accepted=row[c.ACCEPTED],
            quarantined=row[c.QUARANTINED] - (0 if landing else row[c.LANDED]),
            duplicate=row[c.DUPLICATE],
        )
        name = (row["source"], row[c.FILE])
        found[name] = found.get(name, Conservation(files=1)) + fate
    return found

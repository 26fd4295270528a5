"""Lines of consent that cannot be understood: a withdrawal among them must not be passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import ConsentMapping
from recsys_batch.ingest.people import one_spelling
from recsys_batch.ingest.shapes import UNNAMED, Change
from recsys_batch.ingest.untyped import named_values

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

_UNKNOWN = "unknown_purpose"
_REASONS = {_UNKNOWN: c.PURPOSE, "bad_consent": c.GRANTED, "missing_consent": c.GRANTED}
_KNOWN = {c.PURPOSE: "training, personalization or all", c.GRANTED: "true or false"}
FIX = (
    "correct the files, or map `granted` and `purpose` of `consents` to what is known; purposes "
    "that are none of ours, such as e-mail, are named in `consents.other_purposes`"
)


def unclear_statements(lines: DataFrame, mapping: ConsentMapping) -> tuple[Change, ...]:
    """How lines of consent differ from what can be understood, purpose first; () where none does.

    One such line is enough: it may be a withdrawal, and its user would go on training.

    Parameters
    ----------
    lines
        Classified lines of `consents`: purpose, reason, file, line.
    mapping
        Lines of its `other_purposes` are left out.
    """
    from pyspark.sql import functions as F

    other = [one_spelling(each) for each in mapping.other_purposes]
    odd = lines.where(F.col(c.REASON).isin(*_REASONS) & ~F.col(c.PURPOSE).isin(other))
    place = F.struct(c.FILE, c.LINE)
    found = odd.groupBy(c.REASON).agg(F.count(F.lit(1)).alias("lines"), F.min(place).alias("first"))
    rows = sorted(found.collect(), key=lambda row: list(_REASONS).index(row[c.REASON]))
    return tuple(_change(row, odd) for row in rows)


def _change(row: Row, odd: DataFrame) -> Change:
    column = _REASONS[row[c.REASON]]
    what = "empty" if row[c.REASON] == "missing_consent" else "neither"
    if row[c.REASON] == _UNKNOWN:
        what = " and ".join(_purposes(odd))
    first = row["first"]
    told = f"{what} in {row['lines']} lines, first {first[c.FILE]}, line {first[c.LINE]}"
    return Change("field", column, _KNOWN[column], told, breaking=True)


def _purposes(odd: DataFrame) -> Iterator[str]:
    from pyspark.sql import functions as F

    unknown = odd.where(F.col(c.REASON) == _UNKNOWN)
    values = unknown.select(F.lit(c.PURPOSE).alias("name"), F.col(c.PURPOSE).alias("value"))
    for _, value in sorted(named_values(values)):
        yield "values that are no names" if value == UNNAMED else repr(value)

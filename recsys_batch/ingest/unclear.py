"""Lines of consent that cannot be understood: a withdrawal among them must not be passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import ConsentMapping
from recsys_batch.errors import ContractError
from recsys_batch.ingest.conservation import by_reason
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

    odd = _ours(lines, mapping).where(F.col(c.REASON).isin(*_REASONS))
    place = F.struct(c.FILE, c.LINE)
    found = odd.groupBy(c.REASON).agg(F.count(F.lit(1)).alias("lines"), F.min(place).alias("first"))
    rows = sorted(found.collect(), key=lambda row: list(_REASONS).index(row[c.REASON]))
    return tuple(_change(row, odd) for row in rows)


def refuse_unusable(lines: DataFrame, mapping: ConsentMapping, *, landed: int, where: str) -> None:
    """Stop at a batch of which a larger share breaks the contract than the mapping allows.

    Whose such a line is, or when it was said, nobody can tell: a withdrawal would be passed over.

    Parameters
    ----------
    lines
        Classified lines of `consents`; those of its `other_purposes` do not count.
    landed
        How many lines there are.

    Raises
    ------
    ContractError
        There are more; the message has a line a reason.
    """
    from pyspark.sql import functions as F

    bad = _ours(lines, mapping).where(F.col(c.REASON).isNotNull())
    number = bad.count()
    if number <= mapping.max_quarantined_share * landed:
        return
    raise ContractError(
        f"{number} of {landed} statements of consent would be quarantined, more than "
        f"consents.max_quarantined_share of {mapping.max_quarantined_share:g}, and nothing was "
        f"taken, as each may be a withdrawal:{by_reason(bad)}\n",
        where=where,
        fix="correct the files; where these lines are known to withdraw nothing, raise the share "
        "in the dataset's YAML for this batch",
    )


def _ours(lines: DataFrame, mapping: ConsentMapping) -> DataFrame:
    """Lines but for those of purposes that are none of ours."""
    from pyspark.sql import functions as F

    other = [one_spelling(each) for each in mapping.other_purposes]
    return lines.where(~F.col(c.PURPOSE).isin(other))


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

"""The parts of a run's features: of all that it sees, and of what was before the hold-out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class Part:
    """What of a state a part of the features is made of.

    Attributes
    ----------
    name
        "train" or "full".
    until
        The instant it looks back from.
    prefix
        Of the columns of its sums; a row in which they are null is not of the part.
    """

    name: str
    until: dt.datetime
    prefix: str = ""

    def of(self, name: str) -> Column:
        """The part's own column."""
        from pyspark.sql import functions as F

        return F.col(self.prefix + name)


def by_part(frame: DataFrame, parts: Sequence[Part], keys: Sequence[str], *names: str) -> DataFrame:
    """One row a part and row of `frame`: part, keys and the part's own columns of the names."""
    from pyspark.sql import functions as F

    own = (
        F.struct(F.lit(part.name).alias(c.PART), *(part.of(name).alias(name) for name in names))
        for part in parts
    )
    return frame.select(*keys, F.inline(F.array(*own))).select(c.PART, *keys, *names)

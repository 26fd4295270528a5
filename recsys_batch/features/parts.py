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
    fit_until
        `until` of the earlier fit that it is folded into, where it is: the weights of interactions
        are what they were then, and later ones weigh more.
    """

    name: str
    until: dt.datetime
    prefix: str = ""
    fit_until: dt.date | None = None

    @property
    def weighed_from(self) -> dt.date:
        """The day that the decay of interactions looks back from."""
        return self.fit_until or self.until.date()

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

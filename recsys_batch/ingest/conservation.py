"""Conservation of rows: what landed was accepted, quarantined or a duplicate, and is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.errors import LakeError
from recsys_batch.ingest.classify import FATE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Counts = tuple[int, int, int, int]  # landed, accepted, quarantined, duplicate


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


def count_fates(fated: DataFrame) -> dict[str, Counts]:
    """Count the lines of each file by fate."""
    from pyspark.sql import functions as F

    def of(fate: str) -> Column:
        return F.count_if(F.col(FATE) == fate)

    rows = fated.groupBy(c.FILE).agg(
        F.count(F.lit(1)), of("accepted"), of("quarantined"), of("duplicate")
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows.collect()}


def require_all(counts: Mapping[str, Counts], records: Mapping[str, int], *, where: str) -> None:
    """Compare the lines that have a fate with the records counted in the files.

    Raises
    ------
    LakeError
        They are not the same.
    """
    for file, landed in records.items():
        counted = counts.get(file, (0, 0, 0, 0))
        if counted[0] != landed or sum(counted[1:]) != landed:
            raise LakeError(
                f"{landed} records landed, {counted} are accounted for",
                where=f"{where}, file {file}",
                fix="run ingest again; the batch is not complete and is taken anew",
            )

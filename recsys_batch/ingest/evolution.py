"""Schema evolution: a batch's files against those before; what breaks the mapping stops the run.

A batch is compared with those accepted under the same `version` of the source's settings, and what
it was like stays in `schemas`, whether it was accepted or refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import ConsentMapping, SourceMapping
from recsys_batch.errors import ContractError, MappingError
from recsys_batch.ingest.conservation import Counts
from recsys_batch.ingest.schema_ledger import Verdict, record
from recsys_batch.ingest.shapes import ABSENT, Change, Shape, changes, declared, kinds_text, needs
from recsys_batch.ingest.unclear import FIX, unclear_statements
from recsys_batch.ingest.untyped import untyped_values
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Watch:
    """One batch under observation.

    Attributes
    ----------
    source
        Name of the source, which is that of its contract.
    batch_seq, batch_id
        The batch's, or what they will be if it is accepted.
    groups
        Columns to the files (names below the landing folder) that have them.
    columns
        As of `Shape`.
    before
        What earlier batches were like; None where there is none of this version.
    say
        Called with a line for the user.
    """

    home: Path
    source: str
    mapping: SourceMapping
    batch_seq: int
    batch_id: str
    groups: Mapping[tuple[str, ...], Sequence[str]]
    columns: Mapping[str, Mapping[str, int]]
    before: Shape | None
    say: Callable[[str], None]

    def refuse_missing(self, error: MappingError) -> None:
        """Raise `ContractError` where a mapping fails for want of a column that was there.

        Otherwise return: then the mapping itself is at fault.
        """
        if self.before is None:
            return
        gone = {
            name: files
            for names, files in self.groups.items()
            for name in sorted(set(self.before.columns) - _names(names, self.mapping))
            if needs(self.mapping, name)
        }
        missing = tuple(
            Change(
                "column",
                name,
                kinds_text(self.before.columns[name]),
                f"{ABSENT} in {', '.join(files[:3])}",
                breaking=True,
            )
            for name, files in sorted(gone.items())
        )
        if missing:
            # Of a file without a header, the others are values of its first line.
            known = {
                name: kinds for name, kinds in self.columns.items() if name in self.before.columns
            }
            self._refuse(Shape(known), missing, error)

    @property
    def fields(self) -> tuple[str, ...]:
        """The contract's columns whose values are watched."""
        return tuple(_reasons(self.source, self.mapping))

    def check(self, lines: DataFrame, counts: Iterable[Counts]) -> None:
        """Compare classified lines with what was, and record the outcome.

        Parameters
        ----------
        lines
            File, line, record and reason; of consents also their purpose. Read only where something
            cannot be understood.
        counts
            Of the batch's files, `fields` among what they count.

        Raises
        ------
        ContractError
            Something breaks the mapping; the message has a line a change.
        """
        now = self._observe(lines, counts)
        found = () if self.before is None else changes(self.before, now, mapping=self.mapping)
        breaking = tuple(each for each in found if each.breaking)
        if isinstance(self.mapping, ConsentMapping):
            unclear = unclear_statements(lines, self.mapping)
            if unclear:
                self._record("refused", now, unclear)
                raise self._stop("statements of consent cannot be understood", unclear, fix=FIX)
        if breaking:
            self._refuse(now, breaking, None)
        for each in found:
            if each.aspect == "column":
                self.say(f"{self.source}: column {each}; recorded, no field is harmed")
        self._record("accepted", now, found)

    def _observe(self, lines: DataFrame, counts: Iterable[Counts]) -> Shape:
        from pyspark.sql import functions as F

        landed, read, unread = 0, Counter[str](), Counter[str]()
        for count in counts:
            landed += count.landed
            read.update(count.read)
            unread.update(count.reasons)
        reasons = _reasons(self.source, self.mapping)
        fields = {
            name: (read[name], sum(unread[code] for code in codes))
            for name, codes in reasons.items()
        }
        untyped = fields.get(c.EVENT_TYPE, (0, 0))[1]
        values: dict[tuple[str, str], int] = {}
        if untyped:
            odd = lines.where(F.col(c.REASON).isin(*reasons[c.EVENT_TYPE]))
            odd = odd.select(c.FILE, c.LINE, c.RECORD)
            values = untyped_values(odd, self.groups, self.mapping)
        return Shape(self.columns, fields, values, landed)

    def _refuse(self, now: Shape, breaking: tuple[Change, ...], error: MappingError | None) -> None:
        self._record("refused", now, breaking)
        fix = (
            f"correct the files or the mapping; if they are meant to be so from now on, set "
            f"`{self.source}.version: {self.mapping.version + 1}` in the dataset's YAML"
        )
        before = f"\n(before: batches of version {self.mapping.version})"
        raise self._stop("the files are not as they were", breaking, before, fix=fix) from error

    def _stop(
        self, what: str, breaking: tuple[Change, ...], note: str = "", *, fix: str
    ) -> ContractError:
        diff = "".join(f"\n  {each}" for each in breaking)
        return ContractError(
            f"{what}, and nothing was taken:{diff}{note}",
            where=f"{self.home}, source {self.source}",
            fix=fix,
        )

    def _record(self, verdict: Verdict, now: Shape, found: tuple[Change, ...]) -> None:
        record(
            self.home,
            self.source,
            now,
            found,
            verdict=verdict,
            version=self.mapping.version,
            batch_seq=self.batch_seq,
            batch_id=self.batch_id,
        )


def _reasons(source: str, mapping: SourceMapping) -> dict[str, list[str]]:
    """Mapped column to the reasons that say that it is missing though required, or unreadable."""
    table = contract(source).table
    found: dict[str, list[str]] = {}
    for check in table.rules:
        rule = check.implementation
        if rule.violates not in ("required", "type") or rule.column is None:
            continue
        key = table.column(rule.column).mapping or ""
        if not key.startswith("fields.") or key.removeprefix("fields.") in mapping.fields:
            found.setdefault(rule.column, []).append(check.name)
    return found


def _names(columns: Sequence[str], mapping: SourceMapping) -> set[str]:
    return {declared(each, mapping.format)[0] for each in columns}

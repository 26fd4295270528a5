"""The ledger of shapes: what each batch's files were like, whether they were taken or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from recsys_batch import columns as c
from recsys_batch.ingest.shapes import ABSENT, Aspect, Change, Shape
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.odcs.load import contract
from recsys_batch.odcs.model import SchemaObject

Verdict = Literal["accepted", "refused"]


def record(
    home: Path,
    source: str,
    shape: Shape,
    changes: Sequence[Change],
    *,
    verdict: Verdict,
    version: int,
    batch_seq: int,
    batch_id: str,
) -> None:
    """Write a batch's shape in place of what an earlier try at the same files wrote.

    Parameters
    ----------
    version
        `version` of the source in the data set's YAML.
    batch_seq, batch_id
        The batch's, or of a refused one what they would have been.
    """
    owned: dict[str, object] = {c.SOURCE: source, c.BATCH_ID: batch_id, "verdict": verdict}
    if verdict == "accepted":  # a refused one may come again under another number
        owned[c.BATCH_SEQ] = batch_seq
    made = contract(source)
    common = owned | {
        c.BATCH_SEQ: batch_seq,
        "schema_version": version,
        c.CONTRACT_VERSION: made.version,
    }
    told = {(each.aspect, each.name, each.value): str(each) for each in changes}
    rows = [
        {**row, **common, "change": told.pop(_subject(row), None)}
        for row in _rows(shape, made.table)
    ]
    rows += [
        {**_row(aspect, name, kind or ABSENT, 0, 0), **common, "change": change}
        for (aspect, name, kind), change in told.items()
    ]
    replace_rows(home, "schemas", rows, **owned)


def history(home: Path, source: str, version: int) -> Shape | None:
    """What the accepted batches of a source and version were like; None where there is none."""
    rows = read_rows(home, "schemas", source=source, schema_version=version, verdict="accepted")
    if not rows:
        return None
    columns: dict[str, dict[str, int]] = {}
    fields: dict[str, tuple[int, int]] = {}
    values: dict[tuple[str, str], int] = {}
    for row in sorted(rows, key=lambda row: int(row[c.BATCH_SEQ])):
        name, kind, read, unread = (row[each] for each in ("name", "kind", "read", "unread"))
        if row["aspect"] == "field":
            was = fields.get(name, (0, 0))
            fields[name] = (was[0] + read, was[1] + unread)
        elif row["aspect"] == "value":
            values[name, kind] = values.get((name, kind), 0) + unread
        elif kind == ABSENT:
            columns.pop(name, None)
        else:
            kinds = columns.setdefault(name, {})
            if kind != "null":
                kinds[kind] = kinds.get(kind, 0) + read
    return Shape(columns, fields, values)


def forget(home: Path, batch_seq: int) -> None:
    """Undo the record of a batch that was accepted and not completed."""
    owned = {c.BATCH_SEQ: batch_seq, "verdict": "accepted"}
    if read_rows(home, "schemas", **owned):
        replace_rows(home, "schemas", [], **owned)


def _subject(row: Mapping[str, Any]) -> tuple[Aspect, str, str | None]:
    """What a row of the ledger and a `Change` are of."""
    return row["aspect"], row["name"], row["kind"] if row["aspect"] == "value" else None


def _rows(shape: Shape, table: SchemaObject) -> Iterator[dict[str, Any]]:
    for name, kinds in sorted(shape.columns.items()):
        for kind, values in sorted((kinds or {"null": 0}).items()):
            yield _row("column", name, kind, values, 0)
    for name, (read, unread) in sorted(shape.fields.items()):
        yield _row("field", name, table.column(name).logical_type, read, unread)
    for (name, value), lines in sorted(shape.values.items()):
        yield _row("value", name, value, 0, lines)


def _row(aspect: Aspect, name: str, kind: str, read: int, unread: int) -> dict[str, Any]:
    return {"aspect": aspect, "name": name, "kind": kind, "read": read, "unread": unread}

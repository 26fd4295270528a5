"""What lies in quarantine, read without Spark.

A row of the table is a batch's verdict on a landed line; of several, the latest complete batch's
holds. A line that a replay let in has a later row that says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.places import (
    has_version,
    open_table,
    refuse_half_written,
    table_path,
    unreadable,
)

_STANDING = """
SELECT source, file, line, reason, detail, landed_in AS batch_seq, record FROM (
  SELECT *,
    min(batch_seq) OVER (PARTITION BY source, file, line) AS landed_in,
    row_number() OVER (PARTITION BY source, file, line ORDER BY batch_seq DESC) AS age
  FROM quarantine WHERE {complete}
) WHERE age = 1 AND fate = 'quarantined'
"""


def quarantine_counts(home: Path) -> list[dict[str, Any]]:
    """How many lines lie in quarantine, and where the first of them is.

    Returns
    -------
    list
        Rows of reason, source, batch_seq (that landed them), lines, file, line; most lines first.
    """
    return _query(
        home,
        f"""SELECT reason, source, batch_seq, count(*) AS lines,
          first_value(file ORDER BY file, line) AS file,
          first_value(line ORDER BY file, line) AS line
        FROM ({_STANDING}) GROUP BY reason, source, batch_seq
        ORDER BY lines DESC, source, batch_seq, reason""",  # noqa: S608  no value of a user's
    )


def quarantined_lines(
    home: Path, *, reasons: Iterable[str] = (), file: str | None = None, limit: int, records: bool
) -> list[dict[str, Any]]:
    """The first lines in quarantine by source, file and line.

    Parameters
    ----------
    reasons
        Only lines with one of these; of all, where there are none.
    file
        Only lines of this file.
    records
        Also the lines as they landed, which hold raw user ids.

    Returns
    -------
    list
        Rows of source, file, line, batch_seq (that landed them), reason, detail, and record.
    """
    wanted = [] if file is None else [f"file = {_literal(file)}"]
    if names := ", ".join(_literal(each) for each in reasons):
        wanted.append(f"reason IN ({names})")
    names = "source, file, line, batch_seq, reason, detail" + (", record" if records else "")
    return _query(
        home,
        f"SELECT {names} FROM ({_STANDING}) WHERE {' AND '.join(wanted) or 'true'} "  # noqa: S608
        f"ORDER BY source, file, line LIMIT {limit:d}",
    )


def _query(home: Path, sql: str) -> list[dict[str, Any]]:
    from deltalake import QueryBuilder
    from deltalake.exceptions import DeltaError

    place = table_path(home, "quarantine")
    refuse_half_written(place)
    if not has_version(place):
        return []
    started = {row[c.BATCH_SEQ] for row in read_rows(home, "batches", status="started")}
    complete = " AND ".join(f"batch_seq <> {seq}" for seq in started) or "true"
    try:
        made = QueryBuilder().register("quarantine", open_table(place))
        found = made.execute(sql.format(complete=complete))
        rows: list[dict[str, Any]] = pa.RecordBatchReader.from_stream(found).read_all().to_pylist()
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise unreadable(place, error) from error
    return rows


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def counts_text(rows: list[dict[str, Any]]) -> str:
    """The counts as lines."""
    if not rows:
        return "nothing lies in quarantine"
    lines = [f"{sum(row['lines'] for row in rows)} lines lie in quarantine"]
    lines += [
        f"{row['lines']:>10}  {row[c.REASON]:<24} {row['source']:<8} batch {row[c.BATCH_SEQ]:<6} "
        f"such as {row[c.FILE]}, line {row[c.LINE]}"
        for row in rows
    ]
    return "\n".join(lines)


def lines_text(rows: list[dict[str, Any]]) -> str:
    """The lines of quarantine as text: place, reason, detail, and the record where it is given."""
    if not rows:
        return "no such line lies in quarantine"
    texts = []
    for row in rows:
        texts.append(f"{row[c.FILE]}, line {row[c.LINE]}: {row[c.REASON]}: {row[c.DETAIL]}")
        if c.RECORD in row:
            texts.append(f"    {row[c.RECORD]}")
    return "\n".join(texts)

"""Verdicts on what batches brought: on the landing, by the ledger, and on the rows of silver."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.config import Limits
from recsys_batch.contracts.facts import (
    ACCOUNTED,
    EMPTY_FILES,
    IN_BRONZE,
    IN_QUARANTINE,
    IN_SILVER,
    LANDING_FACTS,
    SHARE_QUARANTINED,
)
from recsys_batch.contracts.promises import contract_suite
from recsys_batch.contracts.suites import landing_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.shapes import LEAST
from recsys_batch.lake.arrow import rows_by_batch
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run, checked_horizon
from recsys_batch.lake.store import Lake
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    import pandas as pd

LANDING = "landing"
_BESIDE = ("items", "profiles", "consents")  # sources beside the events, which a day is checked by


def require_batches(lake: Lake, run: Run, *, limits: Limits) -> None:
    """Check what a run's batches brought, as far as no run before it did, and store the verdicts.

    What landed is judged once, by the limits that hold when a run first sees it; the rows of
    catalogue, profiles and consents by each first run of its settings and code, whose suites may
    be others. Events are checked by their days (`days.touched_days`). Where no batch brought
    anything, there is nothing to judge.

    Raises
    ------
    ValidationFailedError
        A critical expectation failed.
    """
    from pyspark.sql import functions as F

    home = lake.home
    facts = landing_facts(home, after=checked_horizon(home), horizon=run.horizon)
    if len(facts):
        suite = landing_suite(max_quarantined=limits.max_quarantined_share)
        require(home, facts, suite, table=LANDING, run_id=run.run_id)
    after = checked_horizon(home, run)
    for source in _BESIDE:
        name = table_of(source)
        if after < run.horizon and lake.holds(name, after=after):
            rows = lake.read(name, after=after).where(F.col(c.BATCH_SEQ) <= run.horizon)
            require(home, rows, contract_suite(contract(source)), table=name, run_id=run.run_id)


def table_of(source: str) -> str:
    """Name of the table that a source's contract is of."""
    return contract(source).table.physical_name.split("/")[1]


def landing_facts(home: Path, *, after: int, horizon: int) -> pd.DataFrame:
    """What complete batches say that they landed, and what the tables hold of it: a row a batch.

    Rows are told from the tables' logs, and those of silver as `days.count_batches` counted them.
    A replay has no lines in bronze and only changed verdicts in quarantine, and a line of consents
    may be two rows: these counts are null.

    Parameters
    ----------
    after, horizon
        Batches after the first, up to the second.

    Returns
    -------
    DataFrame
        Of pandas; the columns `facts.LANDING_FACTS`.
    """
    import pandas as pd

    files: dict[int, list[dict[str, Any]]] = {}
    for row in read_rows(home, "batches", status="complete"):
        if after < row[c.BATCH_SEQ] <= horizon:
            files.setdefault(row[c.BATCH_SEQ], []).append(row)
    sources = {seq: of_batch[0]["source"] for seq, of_batch in files.items()}
    kept = {name: rows_by_batch(home, f"raw_{name}") for name in set(sources.values())}
    refused = rows_by_batch(home, "quarantine") if files else {}
    silver = Counter[tuple[str, int]]()
    for row in read_rows(home, "batch_days") if files else ():
        silver[row["table"], row[c.BATCH_SEQ]] += row["rows"]
    facts = []
    for seq, of_batch in sorted(files.items()):
        source, landing = sources[seq], of_batch[0][c.KIND] == "landing"
        facts.append(
            _told(of_batch, landing=landing)
            | {
                c.BATCH_SEQ: seq,
                IN_BRONZE: kept[source].get(seq, 0) if landing else None,
                IN_SILVER: None if source == "consents" else silver[table_of(source), seq],
                IN_QUARANTINE: refused.get(seq, 0) if landing else None,
            }
        )
    return pd.DataFrame(facts, columns=list(LANDING_FACTS))


def _told(files: list[dict[str, Any]], *, landing: bool) -> dict[str, Any]:
    """What the ledger says of a batch."""
    rows = sum(
        (
            Conservation(
                1, *(row[name] for name in (c.LANDED, c.ACCEPTED, c.QUARANTINED, c.DUPLICATE))
            )
            for row in files
        ),
        Conservation(),
    )
    telling = landing and rows.landed >= LEAST
    return {
        c.LANDED: rows.landed,
        c.ACCEPTED: rows.accepted,
        c.QUARANTINED: rows.quarantined,
        ACCOUNTED: rows.accepted + rows.quarantined + rows.duplicate,
        SHARE_QUARANTINED: rows.quarantined / rows.landed if telling else None,
        EMPTY_FILES: sum(row[c.LANDED] == 0 for row in files),
    }

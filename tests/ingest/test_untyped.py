"""Event types that no rule takes: told where they are names, counted where they may be anything."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import ingest
from recsys_batch.config import load_settings
from recsys_batch.errors import ContractError
from recsys_batch.ingest.shapes import LEAST, UNNAMED
from recsys_batch.job import Job, timed_stage
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.logs import log_file

from .shops import NOW, Shop, shop

pytestmark = pytest.mark.spark

COLUMNS = ("ts", "u", "i", "q", "k")
WORDS = ("ash", "elm", "fir", "oak", "yew")
IDS = {
    "marks": ["jo@example.org", "79927398713", "Smith"],
    "words": [f"{first}-{second}" for first in WORDS for second in WORDS],
}


def lines(users: list[str], types: list[str]) -> str:
    rows = zip(users, types, strict=True)
    return "".join(f"2026-01-01,{user},i{n},1,{kind}\n" for n, (user, kind) in enumerate(rows))


def texts(folder: Path) -> dict[Path, str]:
    """The text of each file of a lake past bronze."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and "bronze" not in path.relative_to(folder).parts:
            parquet = path.suffix == ".parquet"
            found[path] = (
                str(pq.ParquetFile(path).read().to_pylist())
                if parquet
                else path.read_text(errors="replace")
            )
    return found


@pytest.mark.parametrize("kind", IDS)
def test_user_ids_in_the_place_of_types_are_in_no_table_past_bronze_and_in_no_log(
    spark: SparkSession, tmp_path: Path, kind: str
) -> None:
    users = (IDS[kind] * LEAST)[: 3 * LEAST]
    types = [{"type": "purchase", "when": "k = 'buy'"}, {"type": "view", "when": "k IN ('see')"}]
    made = Shop(spark, tmp_path, shop(types=types, header=False, columns=COLUMNS))
    said: list[str] = []
    job = Job(
        settings=load_settings("sample").model_copy(update={"dataset": made.dataset}),
        lake=made.lake,
        landing=made.landing,
        day=dt.date(2026, 1, 1),
        now=NOW,
        say=said.append,
    )
    few = lines(users[:3], ["gift", "B7", ""])
    swapped = lines(["buy"] * len(users), users) + lines(["u"] * LEAST, ["gift"] * LEAST)
    made.land({"1.csv": lines(users, ["buy"] * len(users)) + few})
    with log_file(job.home), timed_stage(job, "ingest"):
        ingest.run(job)
    made.land({"2.csv": swapped})
    with (
        log_file(job.home),
        pytest.raises(ContractError) as caught,
        timed_stage(job, "ingest"),
    ):
        ingest.run(job)
    odd, named = len(users), {("refused", "gift", LEAST)}
    if kind == "words":  # so many names that none of them is told
        odd, named = odd + LEAST, set()
    line = (
        f"k: before never seen, now values that are no names of types in {odd} of "
        f"{len(users) + LEAST} lines, which no rule of types takes"
    )
    assert line in str(caught.value)
    found = texts(job.home)
    assert any(line in text for path, text in found.items() if path.name == "runs.jsonl")
    rows = read_rows(job.home, "schemas", aspect="value")
    told = {(row["verdict"], row["kind"], row["unread"]) for row in rows}
    first = {("accepted", each, 1) for each in ("gift", "", UNNAMED)}
    assert told == {*first, *named, ("refused", UNNAMED, odd)}
    found[tmp_path] = " ".join((*said, str(caught.value)))
    for user in IDS[kind]:
        assert not [path for path, text in found.items() if user in text], user


def test_a_line_in_the_place_of_the_header_is_in_no_table_past_bronze(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": "ts,u,i,q\n2026-01-01,u,i,1\n"})
    with pytest.raises(ContractError, match=r"q: before text, now absent in 2\.csv"):
        made.take({"2.csv": "2026-01-01,jo@example.org,i,1\n2026-01-01,u2,i,1\n"})
    assert {row["verdict"] for row in read_rows(made.lake.home, "schemas", batch_seq=2)} == {
        "refused"
    }
    found = texts(made.lake.home)
    assert not [path for path, text in found.items() if "jo@example.org" in text]

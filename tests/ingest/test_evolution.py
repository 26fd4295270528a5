"""Files that change from batch to batch: what is taken, what stops the run, and what is kept."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_batch.errors import ContractError, MappingError
from recsys_batch.ingest.evolution import Watch
from recsys_batch.ingest.shapes import LEAST
from recsys_batch.lake.ledger import read_rows
from recsys_batch.odcs.load import contract

from .shops import Shop, shop

pytestmark = pytest.mark.spark

TYPES = [{"type": "purchase", "when": "k = 'buy'"}, {"type": "view", "when": "k IN ('see')"}]
KINDS: dict[str, Any] = {
    "types": TYPES,
    "fields": {"user_id": "u", "item_id": "i", "quantity": "q"},
}


def csv(head: str, *, day: int, lines: int = LEAST, **given: str) -> str:
    """A file of `lines` purchases on a day; `given` are other values of columns."""
    values = {"ts": f"2026-01-{day:02}", "u": "u{n}", "q": "1", "k": "buy", **given}
    rows = [
        ",".join(
            {**values, "i": f"i{n}"}[name].replace("{n}", str(n))
            for name in head.lower().split(",")
        )
        for n in range(lines)
    ]
    return "\n".join([head, *rows]) + "\n"


def jsonl(lines: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def purchases(day: int, lines: int = LEAST, **given: Any) -> list[dict[str, Any]]:
    line = {"ts": f"2026-01-{day:02}", "u": "u", "q": 1, **given}
    return [
        {**{key: value for key, value in line.items() if value is not None}, "i": f"i{n}"}
        for n in range(lines)
    ]


def ledger(made: Shop, **equal: object) -> list[dict[str, Any]]:
    return read_rows(made.lake.home, "schemas", **equal)


def outcomes(made: Shop) -> set[tuple[int, str]]:
    return {(row["batch_seq"], row["verdict"]) for row in ledger(made)}


def told(made: Shop, **equal: object) -> list[str]:
    return sorted(row["change"] for row in ledger(made, **equal) if row["change"])


def refused(made: Shop, files: dict[str, str | bytes], *lines: str) -> ContractError:
    """Land files that must stop the run, and see that they left nothing but their record."""

    def left() -> list[object]:
        rows = [
            sorted(map(str, read_rows(made.lake.home, name))) for name in ("batches", "raw_events")
        ]
        return [*rows, made.lake.version("events"), made.lake.version("quarantine")]

    before = left()
    with pytest.raises(ContractError) as caught:
        made.take(files)
    said = str(caught.value).splitlines()
    assert set(lines) <= {line.strip() for line in said}, said
    assert left() == before
    return caught.value


def test_columns_come_and_go_while_no_field_needs_them_and_stop_the_run_when_one_does(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": csv("ts,u,i,q", day=1)})
    made.take({"2.csv": csv("ts,u,i,q,k", day=2, lines=1)})
    assert told(made) == ["k: before absent, now text"]
    made.take({"3.csv": csv("Q,i,U,ts", day=3, lines=1)})  # order and capitals do not count
    made.take({"4.csv": csv("ts,u,i,q", day=4, lines=1)})
    assert told(made, verdict="accepted") == [
        "k: before absent, now text",
        "k: before text, now absent",
    ]
    error = refused(
        made,
        {"5.csv": csv("ts,u,i,q", day=5), "6.csv": csv("ts,u,i", day=5, lines=1)},
        "q: before text, now absent in 6.csv",
    )
    assert error.exit_code != 0
    assert "set `events.version: 2`" in str(error)
    assert outcomes(made) == {
        (1, "accepted"),
        (2, "accepted"),
        (3, "accepted"),
        (4, "accepted"),
    } | {(5, "refused")}
    made.dataset = shop(fields={"user_id": "u", "item_id": "i"}, version=2)
    taken = made.take()["events"]
    assert (taken.files, taken.landed) == (2, LEAST + 1)
    assert outcomes(made) >= {(5, "refused"), (5, "accepted")}
    versions = {row["batch_seq"]: row["contract_version"] for row in read_rows(
        made.lake.home, "batches"
    )}  # fmt: skip
    assert versions == dict.fromkeys(range(1, 6), contract("events").version)


def test_a_mapping_that_never_fitted_is_an_error_of_the_mapping(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": csv("ts,u,i,q", day=1, lines=1)})
    made.dataset = shop(fields={"user_id": "u", "item_id": "ii"})
    with pytest.raises(MappingError, match="there is no column 'ii'"):
        made.take({"2.csv": csv("ts,u,i,q", day=2, lines=1)})
    assert outcomes(made) == {(1, "accepted")}


def test_a_number_that_becomes_words_stops_the_run_but_not_on_a_day_with_few(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": csv("ts,u,i,q", day=1)})
    few = made.take({"2.csv": csv("ts,u,i,q", day=2, lines=LEAST - 1, q="one")})["events"]
    assert (few.accepted, few.quarantined) == (0, LEAST - 1)
    line = f"quantity: before 51% of {2 * LEAST - 1} values readable, now none of {LEAST}"
    files: dict[str, str | bytes] = {"3.csv": csv("ts,u,i,q", day=3, q="one")}
    refused(made, files, line)
    first = ledger(made, verdict="refused")
    refused(made, files, line)
    assert ledger(made, verdict="refused") == first
    assert [row["change"] for row in first if row["name"] == "quantity"] == [line]
    made.dataset = shop(version=2)
    assert made.take()["events"].quarantined == LEAST


def test_times_that_cannot_be_read_any_more_stop_the_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": csv("ts,u,i,q", day=1)})
    refused(
        made,
        {"2.csv": csv("ts,u,i,q", day=2, ts="02/01/2026")},
        f"event_time: before 100% of {LEAST} values readable, now none of {LEAST}",
    )
    mended = made.take({"2.csv": csv("ts,u,i,q", day=2)})["events"]
    assert (mended.files, mended.accepted) == (1, LEAST)


def test_new_event_types_stop_the_run_above_their_share_and_are_quarantined_below(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(**KINDS, new_type_share=0.4))
    head = "ts,u,i,q,k"
    odd = csv(head, day=1, lines=3, k="sneeze")
    first = made.take({"1.csv": csv(head, day=1), "1b.csv": odd})["events"]
    assert first.quarantined == 3
    more = LEAST * 2
    below = {"2.csv": csv(head, day=2, lines=more), "2b.csv": csv(head, day=2, k="gift")}
    assert made.take({**below})["events"].quarantined == LEAST  # a third of the lines
    some = {"3.csv": csv(head, day=3, lines=more, k="gift"), "3b.csv": csv(head, day=3, lines=1)}
    again = made.take({**some})["events"]
    assert again.quarantined == more  # seen before
    found = (
        f"k: before never seen, now 'swap' in {LEAST} of {LEAST + 5} lines, which no rule of types "
        "takes"
    )
    files: dict[str, str | bytes] = {
        "4.csv": csv(head, day=4, k="swap"),
        "4b.csv": csv(head, day=4, lines=5),
    }
    refused(made, files, found)
    values = {(row["kind"], row["unread"]) for row in ledger(made, aspect="value")}
    assert values == {("sneeze", 3), ("gift", LEAST), ("gift", more), ("swap", LEAST)}
    types = [*TYPES, {"type": "view", "when": "k = 'swap'"}]
    made.dataset = shop(**{**KINDS, "types": types}, new_type_share=0.4)
    mended = made.take()["events"]
    assert (mended.files, mended.accepted) == (2, LEAST + 5)


def test_a_json_type_that_changes_stops_the_run(spark: SparkSession, tmp_path: Path) -> None:
    made = Shop(spark, tmp_path, shop(format="jsonl"))
    both = [*purchases(1), *purchases(2, lines=1, q="2")]
    assert made.take({"1.jsonl": jsonl(both)})["events"].accepted == LEAST + 1
    files: dict[str, str | bytes] = {"2.jsonl": jsonl(purchases(4, q={"pieces": 1}))}
    refused(made, files, "q: before number or text, now object")


def parquet(**given: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(purchases(1, lines=2, **given)), out)
    return out.getvalue()


def test_a_parquet_type_that_changes_in_one_file_of_a_batch_stops_the_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(format="parquet"))
    assert made.take({"1.parquet": parquet()})["events"].accepted == 2
    files: dict[str, str | bytes] = {"2.parquet": parquet(q="1"), "3.parquet": parquet(u="v")}
    refused(made, files, "q: before number, now number or text")


def test_a_json_key_that_was_seen_may_be_missing_for_a_day(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(format="jsonl"))
    with pytest.raises(MappingError, match="there is no column 'q'"):
        made.take({"1.jsonl": jsonl(purchases(1, q=None))})
    made.take({"1.jsonl": jsonl(purchases(1))})
    without = made.take({"2.jsonl": jsonl(purchases(2, q=None, u=None))})["events"]
    assert without.accepted == LEAST
    assert sorted({row[0] is None for row in made.rows("events", "quantity")}) == [False, True]
    few = made.take({"3.jsonl": jsonl(purchases(3, lines=2, ts=None))})["events"]
    assert few.quarantined == 2
    refused(
        made,
        {"4.jsonl": jsonl(purchases(4, ts=None))},
        f"event_time: before 95% of {2 * LEAST + 2} values readable, now none of {LEAST}",
    )
    assert told(made, verdict="accepted") == []


@pytest.mark.parametrize("moment", ["recorded", "refused"])
def test_a_kill_leaves_one_record(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Killed after the record was written, before rows were, or before the refused were wiped."""
    made = Shop(spark, tmp_path)
    made.take({"1.csv": csv("ts,u,i,q", day=1)})
    q = "1" if moment == "recorded" else "one"
    files: dict[str, str | bytes] = {"2.csv": csv("ts,u,i,q,k", day=2, q=q)}

    class Killed(BaseException):
        """What no handler of ours catches."""

    check = Watch.check

    def killed(self: Watch, *given: Any) -> None:
        try:
            check(self, *given)
        except ContractError:
            raise Killed from None
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "check", killed)
        with pytest.raises(Killed):
            made.take(files)
    assert len(read_rows(made.lake.home, "batches", status="started")) == 1
    first = ledger(made, batch_seq=2)
    assert {row["verdict"] for row in first} == {"accepted" if q == "1" else "refused"}
    if q == "1":
        assert made.take(files)["events"].accepted == LEAST
    else:
        with pytest.raises(ContractError):
            made.take(files)
    assert sorted(map(str, ledger(made, batch_seq=2))) == sorted(map(str, first))
    assert not read_rows(made.lake.home, "batches", status="started")

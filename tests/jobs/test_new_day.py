"""A new day after others: what it reads, which days it looks at again, and whom it leaves out."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest
from ingest.shops import Shop, shop
from pyspark.sql import SparkSession

from jobs import features, ingest, tune, validate
from recsys_batch.config import Settings
from recsys_batch.ingest.days import touched_days
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import Job
from recsys_batch.lake.cost import _stages
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MADE = ("interactions", "users", "items", "popularity", "holdout")
USERS, ITEMS, LIMIT = 6, 8, 5
DAY = dt.date(2026, 3, 1)
TWO_ON = DAY + dt.timedelta(days=2)
# Days of users who do too much: before the hold-out, within it, and by an event that lands late.
BOT, BURST, LATE = (DAY - dt.timedelta(days=back) for back in (12, 3, 10))
SETTINGS = Settings.model_validate(
    {"dataset": shop(limits={"max_events_per_day": LIMIT}).model_dump(mode="json")}
)


def acts(user: int, day: dt.date, number: int) -> list[str]:
    """So many purchases of a user on a day, each at an hour of its own."""
    each = range(number)
    items = ((day.toordinal() + user + 3 * n) % ITEMS for n in each)
    return [f"{day}T{n:02}:30:00Z,u{user},i{item},1" for n, item in zip(each, items, strict=True)]


def days_of(first: dt.date, number: int) -> dict[tuple[int, dt.date], int]:
    """Two purchases of each user on each day."""
    days = (first + dt.timedelta(days=n) for n in range(number))
    return {(user, day): 2 for day in days for user in range(USERS)}


def file_of(busy: dict[tuple[int, dt.date], int]) -> str:
    lines = [line for (user, day), number in busy.items() for line in acts(user, day, number)]
    return "ts,u,i,q\n" + "\n".join(lines) + "\n"


@dataclass
class Made:
    """A lake, what its jobs said, and the rows that Spark's tasks read for each stage of a day."""

    shop: Shop
    said: list[str] = field(default_factory=list)
    read: dict[tuple[str, dt.date], int] = field(default_factory=dict)

    def run(self, day: dt.date, file: str | None = None) -> Run:
        """Land a file and run a day's stages up to the features."""
        self.shop.land({} if file is None else {f"{day}.csv": file})
        job = self.job(day, say=self.said.append)
        for stage in (ingest, validate, tune, features):
            name = stage.__name__.removeprefix("jobs.")
            self.read[name, day] = rows_read(self.shop.spark, partial(stage.run, job))
        return job.open_run()

    def job(self, day: dt.date, *, say: Callable[[str], None]) -> Job:
        now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
        return Job(SETTINGS, self.shop.lake, self.shop.landing, day, now, say=say)

    def features(self) -> dict[str, tuple[str, int]]:
        """Digests of the features of the last run, but for its name."""
        run_id = max(read_rows(self.shop.lake.home, "runs"), key=lambda row: row["as_of"])["run_id"]
        read = self.shop.lake.read
        return {name: frame_digest(read(name, run_id=run_id).drop("run_id")) for name in MADE}


def rows_read(spark: SparkSession, work: Callable[[], object]) -> int:
    """Rows that Spark's tasks read from files meanwhile."""
    before = next((row.stageId() for row in _stages(spark)), -1)
    work()
    fresh = takewhile(lambda row: row.stageId() > before, _stages(spark))
    return sum(row.inputRecords() for row in fresh)


@pytest.fixture(scope="module")
def short(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Twenty days, a new day, and another that brings a late event, too."""
    made = Made(Shop(spark, tmp_path_factory.mktemp("short")))
    history = days_of(DAY - dt.timedelta(days=19), 20)
    history |= {(5, BOT): LIMIT + 1, (4, BURST): LIMIT + 1, (0, LATE): LIMIT}
    made.run(DAY, file_of(history))
    made.run(DAY + dt.timedelta(days=1), file_of(days_of(DAY + dt.timedelta(days=1), 1)))
    late = acts(0, LATE, LIMIT + 1)[-1]
    made.run(TWO_ON, file_of(days_of(TWO_ON, 1)) + f"{late}\n")
    return made


def test_a_day_reads_what_is_new_however_long_the_history(
    short: Made, spark: SparkSession, tmp_path: Path
) -> None:
    long = Made(Shop(spark, tmp_path))
    history, day = 100, DAY + dt.timedelta(days=1)
    long.run(DAY, file_of(days_of(DAY - dt.timedelta(days=history - 1), history)))
    long.run(day, file_of(days_of(day, 1)))
    landed = 2 * USERS * history
    for made in (short, long):
        of_day = {name: rows for (name, each), rows in made.read.items() if each == day}
        sys.stdout.write(f"rows read on the new day: {of_day}\n")
    assert long.read["features", DAY] > landed > 4 * long.read["features", day]
    for stage in ("ingest", "validate", "features"):
        assert 0 < long.read[stage, day] <= short.read[stage, day], stage
    assert long.read["validate", day] < 10 * 2 * USERS


def test_a_late_event_has_its_day_looked_at_again_and_no_other(short: Made) -> None:
    home = short.shop.lake.home
    *_, before, last = (Run(**row) for row in sorted(read_rows(home, "runs"), key=_age))
    assert touched_days(home, last, before) == (LATE, TWO_ON)
    assert touched_days(home, before, None)[0] == DAY - dt.timedelta(days=19)
    assert len(touched_days(home, before, None)) == 21
    (count,) = (
        json.loads(row["observed"])["observed_value"]
        for row in read_rows(home, "validations", run_id=last.run_id, table="events")
        if "row_count" in row["expectation"]
    )
    assert count == 2 * USERS + (2 * USERS - 2 + LIMIT + 1)


def _age(row: dict[str, object]) -> object:
    return row["as_of"]


def test_days_with_too_many_events_train_nothing_and_are_reported(
    short: Made, spark: SparkSession, tmp_path: Path
) -> None:
    """The features are those of a lake in which the events of such days never landed."""
    said = [line for line in short.said if line.startswith("suspects: ")]
    assert said == [
        *(f"suspects: 2 days of 2 users; their {2 * LIMIT + 2} events train nothing",) * 2,
        f"suspects: 3 days of 3 users; their {3 * LIMIT + 3} events train nothing",
    ]
    rows = read_rows(short.shop.lake.home, "suspects")
    key = load_key(create=False)[0].user_key
    last = [row for row in rows if row["run_id"].startswith(f"{TWO_ON}")]
    assert {(row["user_key"], row["event_date"], row["reason"]) for row in last} == {
        (key(f"u{user}"), day, "too_many_a_day") for user, day in ((5, BOT), (4, BURST), (0, LATE))
    }
    assert short.shop.lake.read("events").where(f"event_date = '{BOT}'").count() == 16

    never = Made(Shop(spark, tmp_path))
    history = days_of(DAY - dt.timedelta(days=19), 22)
    for suspect in ((5, BOT), (4, BURST), (0, LATE)):
        del history[suspect]
    never.run(TWO_ON, file_of(history))
    assert short.features() == never.features()
    assert all(rows for _, rows in never.features().values())


def test_features_made_again_are_the_same_and_no_day_is_judged_twice(short: Made) -> None:
    lake, said = short.shop.lake, []
    made, version, written = (
        short.features(),
        lake.version("suspects"),
        lake.version("interactions"),
    )
    features.run(short.job(TWO_ON, say=said.append))
    assert said == [f"suspects: 3 days of 3 users; their {3 * LIMIT + 3} events train nothing"]
    assert lake.version("suspects") == version
    assert lake.version("interactions") > written
    assert short.features() == made

"""Raw user ids end in bronze, and who withdraws consent is in nothing that is made afterwards."""

from __future__ import annotations

import csv
import datetime as dt
import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from e2e.sample import DAYS, PROJECT
from recsys_batch.config import load_settings
from recsys_batch.edge.bodies import look_up
from recsys_batch.edge.store import EdgeStore, store_folder
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import Job
from recsys_batch.lake.store import Lake
from recsys_batch.pipeline import STAGES
from recsys_batch.publish.pointer import read_current

pytestmark = [pytest.mark.spark, pytest.mark.slow]

USER = re.compile(rb"u\d{6}")
# What begins a gzip, zip, zstd, xz or bzip2 file: what lies within could not be searched.
PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh")


def raw_ids(landing: Path) -> set[bytes]:
    """Every user id that stands in a whole line of an event file."""
    found = set()
    for path in (landing / "events").iterdir():
        with path.open(encoding="utf-8", errors="replace", newline="") as lines:
            found |= {str(row["user_id"]).encode() for row in csv.DictReader(lines)}
    return {each for each in found if USER.fullmatch(each)}


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file and, of Parquet, each of its values, which are compressed in it."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".parquet":
        yield str(pq.ParquetFile(path).read().to_pylist()).encode()
    else:
        assert not content.startswith(PACKED), path


def holding(folder: Path, ids: set[bytes]) -> dict[Path, set[bytes]]:
    """The files below a folder that hold any of the ids, and which."""
    found: dict[Path, set[bytes]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            each = {name for content in contents(path) for name in USER.findall(content)}
            if each & ids:
                found[path] = each & ids
    return found


def test_no_raw_id_lies_beyond_bronze(shop, landing):
    """In no file, of no version of any table, whether a table still names the file or not."""
    ids = raw_ids(landing)
    assert len(ids) > 100
    found = holding(shop.home, ids)
    layers = {path.relative_to(shop.home).parts[0] for path in found}
    assert layers == {"bronze"}
    assert set().union(*found.values()) == ids
    searched = {path.relative_to(shop.home).parts[0] for path in shop.home.rglob("*")}
    assert searched >= {"silver", "gold", "edge", "exports", "mlflow", "logs", "data_docs"}
    assert any(path.suffix == ".mdb" for path in shop.home.rglob("*"))


@pytest.fixture(scope="module")
def withdrawn(landing, spark, tmp_path_factory):
    """Features of a day, then two users withdraw, then the next day and the features again."""
    folder = tmp_path_factory.mktemp("withdrawn")
    shutil.copytree(landing, folder / "landing")
    content = yaml.safe_load((PROJECT / "conf" / "datasets" / "sample.yaml").read_text())
    named = {"user_id": "who", "purpose": "purpose", "granted": "granted", "stated_at": "at"}
    content["dataset"]["consents"] = {"pattern": "consents/*", "fields": named}
    dataset = folder / "mine.yaml"
    dataset.write_text(yaml.safe_dump(content))
    consents = folder / "landing" / "consents"
    consents.mkdir()
    head = "who,purpose,granted,at\n"
    (consents / "1.csv").write_text(f"{head}u000001,training,true,2026-01-02\n")

    def run(day: str, *stages: str) -> str:
        job = Job(
            settings=load_settings(str(dataset)),
            lake=Lake(spark, folder / "lake" / "sample"),
            landing=folder / "landing",
            day=dt.date.fromisoformat(day),
            now=dt.datetime.now(dt.UTC),
        )
        for stage in stages:
            importlib.import_module(f"jobs.{stage}").run(job)
        return job.open_run().run_id

    lake = Lake(spark, folder / "lake" / "sample")
    before = run(DAYS[0], "ingest", "validate", "tune", "features")
    key = load_key(create=False)[0]
    bought = lake.read("events").where("event_type = 'purchase' AND event_date > '2026-01-05'")
    held_out = lake.read("holdout", run_id=before).join(bought, "user_key", how="left_semi")
    wanting = {row[0] for row in held_out.select("user_key").distinct().collect()}
    names = sorted(each.decode() for each in raw_ids(landing))
    gone, plain, *others = [name for name in names if key.user_key(name) in wanting]
    lines = f"{gone},,no,2026-01-13T09:00:00Z\n{plain},personalization,no,2026-01-13T09:00:00Z\n"
    (consents / "2.csv").write_text(head + lines)
    after = run(DAYS[1], *(stage.name for stage in STAGES))
    again = run(DAYS[0], "validate", "tune", "features")
    keys = {name: key.user_key(name) for name in (gone, plain, others[0])}
    return lake, (before, after, again), tuple(keys.values()), set(keys)


def has(lake: Lake, table: str, user: str, **equal: object) -> bool:
    return lake.read(table, **equal).where(f"user_key = '{user}'").count() > 0


def test_who_withdraws_is_in_nothing_of_the_next_run(withdrawn):
    """From events, which stay, over interactions, factors and lists to the edge."""
    lake, (_, after, _), (gone, plain, other), _ = withdrawn
    made = {
        table: tuple(
            has(lake, table, user, **({"run_id": after} if column == "run_id" else {column: after}))
            for user in (gone, plain, other)
        )
        for table, column in (
            *((name, "run_id") for name in ("interactions", "user_factors", "users", "holdout")),
            ("topn_user", "publication_id"),
        )
    }
    assert made == {
        "interactions": (False, True, True),
        "user_factors": (False, True, True),
        "users": (False, False, True),
        "holdout": (False, False, True),
        "topn_user": (False, False, True),
    }
    assert all(has(lake, "events", user) for user in (gone, plain, other))
    assert read_current(lake.home) == after
    with EdgeStore(store_folder(lake.home, after)) as store:
        levels = [
            look_up(store.get, user_key=each, region=None)[0] for each in (gone, plain, other)
        ]
    assert levels == ["global", "global", "user"]
    exports = lake.home / "exports" / after
    content = b"".join(
        text for path in exports.rglob("*") if path.is_file() for text in contents(path)
    )
    assert [each.encode() in content for each in (gone, plain, other)] == [False, False, True]


def test_a_withdrawal_acts_on_a_past_day_that_is_run_anew_and_on_no_run_that_was_made(withdrawn):
    """The day lies before it; the horizon does not, and gives the run another name."""
    lake, (before, _, again), (gone, plain, other), _ = withdrawn
    assert before != again
    for user, first, second in ((gone, True, False), (plain, True, True), (other, True, True)):
        assert has(lake, "interactions", user, run_id=before) is first
        assert has(lake, "interactions", user, run_id=again) is second
    assert [has(lake, "users", user, run_id=again) for user in (gone, plain, other)] == [
        False,
        False,
        True,
    ]


def test_no_raw_id_of_a_statement_lies_beyond_bronze(withdrawn):
    lake, _, _, names = withdrawn
    found = holding(lake.home, {name.encode() for name in names})
    tables = {path.relative_to(lake.home).parts[:2] for path in found}
    assert {layer for layer, _ in tables} == {"bronze"}
    assert {("bronze", "raw_consents"), ("bronze", "raw_events")} <= tables

"""What is wrong is said in one sentence, with an exit status, and leaves what is live as it was."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from e2e.sample import DAYS, Shop
from recsys_batch.cli import main
from recsys_batch.lake.ledger import read_rows
from recsys_batch.setup import jdk

pytestmark = [pytest.mark.spark, pytest.mark.slow]
CONF = Path(__file__).resolve().parent.parent.parent / "conf" / "datasets" / "sample.yaml"
ITEMS = "item_id,title,category,price,valid_from\ni1,One,a,1.0,2026-01-01\n"


@pytest.fixture(autouse=True)
def _session(spark) -> None:
    """The commands of this file run in this process, in the session that is there."""


def fails(code: int, text: str, *arguments: object) -> None:
    """The command ends with the status and exactly one line of error, which holds the text."""
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [result.stderr.strip().splitlines()[-1]]
    assert text in errors[0]
    assert errors[0].endswith(".")
    assert "Traceback" not in result.stderr


def day(lake: Path, *, dataset: object = "sample", date: str = DAYS[1]) -> tuple[object, ...]:
    return ("--dataset", dataset, "--date", date, "--lake", lake)


def state(shop: Shop) -> tuple[object, ...]:
    """What a failed run must not touch."""
    return (
        (shop.home / "CURRENT").read_bytes(),
        (shop.home / "audit.jsonl").read_bytes(),
        shop.edge(shop.live()),
        shop.exports(shop.live()),
        [row["publication_id"] for row in read_rows(shop.home, "publications")],
    )


@pytest.fixture
def own(tmp_path) -> Path:
    """A landing folder of its own with a catalogue and no events."""
    folder = tmp_path / "landing"
    (folder / "items").mkdir(parents=True)
    (folder / "events").mkdir()
    (folder / "items" / "items.csv").write_text(ITEMS)
    return folder


def no_events_taken(lake: Path) -> None:
    """No batch of events is there, whole or begun, and nothing is live."""
    batches = read_rows(lake / "sample", "batches")
    assert {(row["source"], row["status"]) for row in batches} <= {("items", "complete")}
    assert not (lake / "sample" / "silver" / "events").exists()
    assert not (lake / "sample" / "CURRENT").exists()


def test_an_empty_folder(tmp_path):
    (tmp_path / "landing").mkdir()
    text = f"{tmp_path / 'landing'}: no file matches 'items/*.csv'; put the files there"
    lake = tmp_path / "lake"
    fails(4, text, "run", *day(lake), "--landing", tmp_path / "landing")
    no_events_taken(lake)


def test_a_file_that_cannot_be_read(tmp_path, own):
    path = own / "events" / "2026-01-01.csv"
    path.symlink_to(tmp_path / "gone.csv")
    text = f"{path}: the file cannot be read (No such file or directory); give this user"
    fails(4, text, "run", *day(tmp_path / "lake"), "--landing", own)
    no_events_taken(tmp_path / "lake")


def test_wrong_columns(tmp_path, own):
    path = own / "events" / "2026-01-01.csv"
    path.write_text("who,what,when\nanna,i1,2026-01-01\n")
    text = f"{path}: field 'event_id' maps to 'event_id', but there is no column 'event_id'"
    fails(4, text, "run", *day(tmp_path / "lake"), "--landing", own)
    no_events_taken(tmp_path / "lake")


def test_a_mapping_that_names_a_missing_column(tmp_path, own):
    content = yaml.safe_load(CONF.read_text())
    content["dataset"]["events"]["fields"]["user_id"] = "user_idd"
    dataset = tmp_path / "mine.yaml"
    dataset.write_text(yaml.safe_dump(content))
    names = "event_id,event_time,event_type,user_id,item_id,request_id,position,propensity,price"
    path = own / "events" / "2026-01-01.csv"
    path.write_text(f"{names},quantity,region,device,surface,consent\n")
    text = "there is no column 'user_idd' (did you mean 'user_id'?); map it to one of "
    fails(4, text, "run", *day(tmp_path / "lake", dataset=dataset), "--landing", own)
    no_events_taken(tmp_path / "lake")


def test_a_day_before_the_first_event(shop):
    before = state(shop)
    text = "there are no events up to 2025-12-01; the first is of 2026-01-01; choose a later --date"
    common = day(shop.lake, date="2025-12-01")
    fails(8, text, "run", *common, "--landing", shop.landing)
    fails(8, text, "validate", *common)
    assert state(shop) == before


def test_a_history_shorter_than_what_is_held_out(shop):
    before = state(shop)
    text = (
        "evaluation.holdout_days 7: the history of 5 days (from 2026-01-01 to 2026-01-05) leaves "
        "nothing to learn from before the 7 that are held out; choose a later --date, or add "
        "--set evaluation.holdout_days=2"
    )
    fails(8, text, "run", *day(shop.lake, date="2026-01-05"), "--landing", shop.landing)
    text = "the history of 1 day (from 2026-01-01 to 2026-01-01) leaves nothing"
    fails(8, text, "run", *day(shop.lake, date="2026-01-01"), "--landing", shop.landing)
    assert state(shop) == before


def test_a_source_without_new_files_for_days(shop):
    before = state(shop)
    text = "freshness.events.fail_after_hours: the newest of events is 1"  # some 170 hours
    fails(5, text, "run", *day(shop.lake, date="2026-01-19"), "--landing", shop.landing)
    assert state(shop) == before
    (found,) = (row for row in read_rows(shop.home, "freshness") if row["state"] == "fail")
    assert found["source"] == "events"


def test_nothing_that_users_did_weighs_anything(shop):
    before = state(shop)
    weights = [f"dataset.weights.{kind}=0" for kind in ("view", "add_to_cart", "purchase")]
    more = ("--landing", shop.landing, *(part for each in weights for part in ("--set", each)))
    text = "of a user who consented and of a type that weighs anything (no type does)"
    fails(8, text, "run", *day(shop.lake), *more)
    assert state(shop) == before


def test_a_run_that_the_gate_refuses(shop):
    before = state(shop)
    more = ("--landing", shop.landing, "--set", "gate.min_coverage=1")
    fails(6, "the gate kept the champion: ", "run", *day(shop.lake), *more)
    assert state(shop) == before


def test_stages_out_of_order_name_what_comes_first(shop):
    before = state(shop)
    text = "no run of 2026-01-09 was opened with these settings and this code; run `recsys-batch va"
    for stage in ("tune", "features", "train", "recommend", "evaluate", "publish", "export"):
        fails(7, text, stage, *day(shop.lake, date="2026-01-09"))
    assert state(shop) == before


def test_a_locked_lake(shop):
    with (shop.home / ".lock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        holder = handle.read()
        text = f"{shop.home}: locked by process {holder}; wait until that run ends, or stop it."
        fails(7, text, "run", *day(shop.lake), "--landing", shop.landing)
    assert shop.ask("status").status == 0


def test_a_lake_that_is_no_folder(tmp_path):
    (tmp_path / "lake").write_text("")
    text = "the lake cannot be written (Not a directory); name a folder you may write"
    fails(7, text, "validate", *day(tmp_path / "lake"))


@pytest.fixture
def copy(shop, tmp_path) -> Shop:
    """A copy of the shop's lake that a test may damage."""
    shutil.copytree(shop.lake, tmp_path / "lake")
    return Shop(shop.landing, tmp_path / "lake")


def test_a_half_written_lake(copy):
    before = state(copy)
    shutil.rmtree(copy.home / "silver" / "events" / "_delta_log")
    text = "silver/events: data files without a Delta log; restore the folder from a copy"
    fails(7, text, "features", *day(copy.lake))
    shutil.rmtree(copy.home / "gold" / "decisions" / "_delta_log")
    fails(7, "gold/decisions: data files without a Delta log", "status", "--lake", copy.lake)
    assert state(copy) == before


def test_a_damaged_file_of_the_lake(copy):
    before = state(copy)
    for path in (copy.home / "silver" / "events").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    text = f"stage features of {DAYS[1]}, {copy.home}: Spark failed ("
    fails(10, text, "features", *day(copy.lake))
    assert state(copy) == before


def test_a_damaged_edge_store(copy):
    path = copy.home / "edge" / copy.live() / "data.mdb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    fails(9, f"{path}: the file's SHA-256 is", "show", "u000001", "--lake", copy.lake)
    shutil.rmtree(path.parent)
    fails(9, "there is no edge store here; export", "show", "u000001", "--lake", copy.lake)


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        ("900t", "spark.driver_memory: 900t of memory asked for, "),
        ("100m", "spark.driver_memory: 100m is less than Spark starts with; give it 512m or more."),
        ("much", "'much' is not an amount of memory"),
    ],
)
def test_too_little_memory(shop, memory, text):
    fails(3, text, "validate", *day(shop.lake), "--set", f"spark.driver_memory={memory}")


def test_no_java(shop, monkeypatch, tmp_path):
    monkeypatch.setattr(jdk, "_JVM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    text = "$JAVA_HOME, $PATH and the usual folders: no Java 17 or later was found; "
    fails(3, text, "validate", *day(shop.lake))

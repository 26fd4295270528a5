"""Looking at a dataset and moving its pointer, on a home that was built without Spark."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from edge.samples import build, entries, flip_bit

from recsys_batch import inspection
from recsys_batch.edge.bodies import user_entry
from recsys_batch.edge.retention import collect
from recsys_batch.edge.rollback import promote
from recsys_batch.edge.store import build_store, store_folder
from recsys_batch.errors import ConfigError, EdgeError, LakeError, PublicationError
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.publish import audit
from recsys_batch.publish.pointer import move_current, read_current

AT = dt.datetime(2026, 1, 4, tzinfo=dt.UTC)
DAYS = ("2026-01-01-a", "2026-01-02-b", "2026-01-03-c")


def seal(home: Path, name: str) -> None:
    """The rows that a sealed and accepted run leaves."""
    manifest = {
        "publication_id": name,
        "as_of": name[:10],
        "rows": {"topn_user": 40, "topn_segment": 2},
        "metrics": {"ndcg@10": 0.25, "recall@100": 0.5, "coverage@10": 0.75},
    }
    row = {"publication_id": name, "as_of": dt.date.fromisoformat(name[:10])}
    row["manifest"] = json.dumps(manifest)
    replace_rows(home, "publications", [row], publication_id=name)
    decision = {"run_id": name, "passed": True, "reasons": [f"All lists of {name} are complete."]}
    replace_rows(home, "decisions", [decision], run_id=name)


def batch(seq: int, file: str, **given: object) -> dict:
    texts = ("batch_id", "contract_digest", "file_digest")
    return (
        {"batch_seq": seq, "status": "complete", "kind": "landing", "file": file, "bytes": 1}
        | {"source": "events", "taken_at": AT, "newest_time": AT - dt.timedelta(hours=5)}
        | dict.fromkeys(texts, "x")
        | given
    )


@pytest.fixture
def lake(tmp_path) -> Path:
    """Three publications; the second is live, the first was before it. User `anna` has a list."""
    home = tmp_path / "sample"
    anna = user_entry(load_key(create=False)[0].user_key("anna"))
    for name in DAYS:
        seal(home, name)
        listed = sorted({**dict(entries(name)), anna: dict(entries(name))["u:000001"]}.items())
        build_store(store_folder(home, name), listed, as_of="2026-01-01", details={})
    for name in DAYS[:2]:
        promote(home, name, actor="tests", at=AT)
    rows = [
        batch(1, "a", landed=10, accepted=7, quarantined=2, duplicate=1),
        batch(2, "b", landed=5, accepted=5, quarantined=0, duplicate=0),
    ]
    for row in rows:
        replace_rows(home, "batches", [row], batch_seq=row["batch_seq"])
    return tmp_path


def shown(lake: Path, user: str, **changed):
    given = {"dataset": "sample", "lake": str(lake), "region": None, "n": 3, **changed}
    return inspection.live_list(user, **given)


def test_a_user_is_found_by_the_raw_id_and_cut_to_n(lake):
    found = shown(lake, "anna")
    assert found["level"] == "user"
    assert found["publication"] == DAYS[1]
    assert [item["item_id"] for item in found["items"]] == [
        f"{DAYS[1]}-i{rank}" for rank in range(3)
    ]
    assert len(shown(lake, "anna", n=100)["items"]) == 5


def test_who_has_no_list_falls_back_to_region_and_then_to_all(lake):
    assert shown(lake, "nobody", region="DE")["level"] == "region"
    assert shown(lake, "nobody", region="XX")["level"] == "global"
    assert shown(lake, "nobody")["level"] == "global"
    assert shown(lake, "anna", region="DE")["level"] == "user"
    assert shown(lake, "nobody", region="DE", cohort="new")["level"] == "cohort"
    assert shown(lake, "nobody", region="DE", cohort="gone")["level"] == "region"
    assert shown(lake, "anna", cohort="new")["level"] == "user"


def test_a_list_as_text_names_place_item_source_and_reason(lake):
    text = inspection.list_text(shown(lake, "anna", n=2)).splitlines()
    assert text[0] == f"user list of publication {DAYS[1]} (day 2026-01-01)"
    assert text[1].split() == ["1", f"{DAYS[1]}-i0", "1.0000", "als", "taste", "of", DAYS[1]]
    assert len(text) == 3


def test_the_first_listed_user_is_the_first_with_a_list_of_their_own(lake):
    home = lake / "sample"
    assert inspection.first_listed_user(home, ["nobody", "anna", "x"]) == "anna"
    assert inspection.first_listed_user(home, ["nobody"]) is None


def test_publications_say_what_is_live_kept_and_retired(lake):
    move_current(lake / "sample", DAYS[2])
    assert collect(lake / "sample", 2) == [DAYS[0]]
    rows = inspection.publication_rows(dataset="sample", lake=str(lake))
    assert [(row["publication_id"], row["status"]) for row in rows] == [
        (DAYS[0], "retired"),
        (DAYS[1], "kept"),
        (DAYS[2], "live"),
    ]
    lines = inspection.publications_text(rows).splitlines()
    assert lines[2].split() == [
        DAYS[2],
        "live",
        "40",
        "users",
        "ndcg@10",
        "0.2500",
        "recall@100",
        "0.5000",
    ]
    assert inspection.publications_text([]) == "no publication yet"


def test_the_status_adds_up_the_rows_of_all_batches(lake):
    found = inspection.dataset_status(dataset="sample", lake=str(lake))
    assert found["live"] == DAYS[1]
    assert found["files"] == 2
    assert found["rows"] == {"landed": 15, "accepted": 12, "quarantined": 2, "duplicate": 1}
    assert found["decision"] == [f"All lists of {DAYS[1]} are complete."]
    assert found["publications"] == 3
    text = inspection.status_text(found)
    assert "15 landed from 2 files = 12 accepted + 2 quarantined + 1 duplicate" in text
    assert "ndcg@10: 0.2500" in text


def test_the_status_tells_replays_lateness_freshness_and_suspects(lake):
    home = lake / "sample"
    counts = {"landed": 2, "accepted": 1, "quarantined": 1, "duplicate": 0}
    ahead = AT + dt.timedelta(hours=2)
    row = batch(3, "a", kind="replay", newest_time=ahead, **counts)
    replace_rows(home, "batches", [row], batch_seq=3)
    for seq, days_late, events in ((1, 0, 10), (2, 0, 3), (2, 4, 2)):
        late = {"batch_seq": seq, "days_late": days_late, "events": events, "share": 1.0}
        replace_rows(home, "lateness", [late], batch_seq=seq, days_late=days_late)
    for name, horizon, hours in (("old", 1, 3.0), ("new", 2, 30.0)):
        run = {"run_id": name, "as_of": AT.date(), "horizon": horizon}
        replace_rows(home, "runs", [run], run_id=name)
        age = {"run_id": name, "source": "events", "age_hours": hours, "state": "warn"}
        replace_rows(home, "freshness", [age], run_id=name)
    suspect = {"run_id": "new", "user_key": "k", "event_date": AT.date(), "events": 9, "most": 9}
    replace_rows(home, "suspects", [suspect], run_id="new")
    found = inspection.dataset_status(dataset="sample", lake=str(lake))
    assert found["files"] == 2
    assert found["rows"] == {"landed": 15, "accepted": 13, "quarantined": 1, "duplicate": 1}
    assert json.loads(json.dumps(found))["lateness"]["all"]["late"] == 2
    text = inspection.status_text(found).splitlines()
    for line in (
        "late: 2 of 5 events of the newest batch; days late: p50 0, p95 4, p99 4, p100 4",
        "late: 2 of 15 events of all batches; days late: p50 0, p95 4, p99 4, p100 4",
        "clock: an event's time is 2.0 hours after its landing",
        "freshness: warn: the newest of events is 30.0 hours old at the day's end of run new",
        "suspects: 1 days of 1 users; their 9 events train nothing",
    ):
        assert line in text


def test_rolling_back_moves_the_pointer_and_leaves_an_audit_line(lake):
    home = lake / "sample"
    said = inspection.roll_back(dataset="sample", lake=str(lake), to=None)
    assert said == f"live: {DAYS[0]} (before: {DAYS[1]})"
    assert read_current(home) == DAYS[0]
    last = list(audit.records(home))[-1]
    assert (last["action"], last["subject"]) == ("rollback", DAYS[0])
    assert shown(lake, "anna")["publication"] == DAYS[0]
    inspection.roll_back(dataset="sample", lake=str(lake), to=DAYS[2])
    assert read_current(home) == DAYS[2]


def test_rolling_back_to_what_is_not_there_moves_nothing(lake):
    with pytest.raises(PublicationError, match=f"choose a kept one: {DAYS[2]}"):
        inspection.roll_back(dataset="sample", lake=str(lake), to="2020-01-01-x")
    assert read_current(lake / "sample") == DAYS[1]


def test_a_damaged_store_is_refused(lake):
    flip_bit(store_folder(lake / "sample", DAYS[1]) / "data.mdb", 80_000)
    with pytest.raises(EdgeError, match=r"data\.mdb: the file's SHA-256 is .*; export the public"):
        shown(lake, "anna")


def test_a_lake_that_was_never_run_says_so(tmp_path):
    for look in (inspection.dataset_status, inspection.publication_rows):
        with pytest.raises(LakeError, match="'sample' was never run here; run `recsys-batch run`"):
            look(dataset="sample", lake=str(tmp_path))
    with pytest.raises(ConfigError, match="there is no dataset 'unheard'"):
        inspection.dataset_status(dataset="unheard", lake=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_publication_nothing_is_live(tmp_path):
    (tmp_path / "sample").mkdir()
    with pytest.raises(PublicationError, match="nothing is live yet; run a day"):
        shown(tmp_path, "anna")
    found = inspection.dataset_status(dataset="sample", lake=str(tmp_path))
    assert (found["live"], found["files"], found["metrics"]) == (None, 0, {})
    assert "live: nothing yet" in inspection.status_text(found)


def test_without_a_key_nobody_can_be_looked_up(lake, monkeypatch, tmp_path):
    monkeypatch.delenv("RECSYS_BATCH_PSEUDONYM_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(ConfigError, match="there is no pseudonym key"):
        shown(lake, "anna")


def test_a_list_of_another_key_is_not_found(lake, monkeypatch):
    monkeypatch.setenv("RECSYS_BATCH_PSEUDONYM_KEY", "another key, also long enough")
    assert shown(lake, "anna")["level"] == "global"
    build(lake / "sample", "2026-01-09-z")  # the samples' own users are no pseudonyms
    assert shown(lake, "000001")["level"] == "global"

"""The commands on a shop that was run for two days."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import httpx
import pyarrow.parquet as pq
import pytest

from e2e.sample import BIN, DAYS, Shop, call, must
from recsys_batch.demo import first_listed_user
from recsys_batch.pipeline import STAGES
from recsys_batch.publish.exports import verify_exports

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def user(shop) -> str:
    """The raw id of a user with a list."""
    found = first_listed_user(shop.home, [f"u{number:06}" for number in range(300)])
    assert found is not None
    return found


def shown(shop: Shop, *arguments: object) -> dict:
    return json.loads(shop.ask("show", *arguments, "--json").out)


def test_show_answers_by_the_raw_id_with_reasons(shop, user):
    text = shop.ask("show", user).out
    assert text.startswith(f"user list of publication {shop.live()} (day 2026-01-12)")
    assert len(text.splitlines()) == 11
    assert "because you" in text or "close to your taste" in text
    found = shown(shop, user, "-n", 3)
    assert (found["level"], len(found["items"])) == ("user", 3)
    assert found["publication"] == shop.live()


def test_show_falls_back_for_whom_it_does_not_know(shop):
    assert shown(shop, "a stranger")["level"] == "global"
    north = shown(shop, "a stranger", "--region", "north")
    assert north["level"] == "region"
    assert {item["reason"] for item in north["items"]} == {"popular in north"}
    assert shown(shop, "a stranger", "--region", "nowhere")["level"] == "global"


def test_cost_says_what_each_stage_of_a_day_took(shop):
    rows = json.loads(shop.ask("cost", "--date", DAYS[0], "--json").out)
    assert [row["stage"] for row in rows] == [stage.name for stage in STAGES]
    assert {row["as_of"] for row in rows} == {DAYS[0]}
    assert all(row["core_seconds"] > 0 and row["peak_memory_bytes"] > 0 for row in rows)
    assert next(row for row in rows if row["stage"] == "features")["bytes_written"] > 0
    text = shop.ask("cost", "--date", DAYS[0]).out
    assert "core-seconds for 1,000 users" in text
    missing = call("recsys-batch", "cost", "--date", "2020-01-01", "--lake", shop.lake)
    assert missing.status != 0
    assert "no stage has run for 2020-01-01" in missing.err


def test_status_says_what_is_live_and_why(shop):
    found = json.loads(shop.ask("status", "--json").out)
    assert found["live"] == shop.live()
    assert found["rows"]["landed"] == sum(
        found["rows"][name] for name in ("accepted", "quarantined", "duplicate")
    )
    assert found["metrics"]["ndcg@10"] > 0
    assert len(found["decision"]) == 5
    assert f"live: {shop.live()} (2 publications)" in shop.ask("status").out


def test_quarantine_is_listed_shown_and_replayed_without_a_change_that_nothing_caused(shop):
    counts = json.loads(shop.ask("quarantine", "list", "--json").out)
    status = shop.ask("status", "--json").out
    number = sum(row["lines"] for row in counts)
    assert number == json.loads(status)["rows"]["quarantined"] > 0
    first = json.loads(shop.ask("quarantine", "show", "--limit", 1, "--json").out)
    assert [(row["line"] > 1, "record" in row) for row in first] == [(True, False)]
    said = shop.ask("quarantine", "replay").out
    assert f"taken anew = 0 accepted + {number} still quarantined + 0 duplicate" in said
    assert shop.ask("status", "--json").out == status


def test_rollback_moves_the_pointer_there_and_back(shop, user):
    first, second = (
        row["publication_id"] for row in json.loads(shop.ask("publications", "--json").out)
    )
    assert shop.ask("rollback").out == f"live: {first} (before: {second})\n"
    try:
        assert shown(shop, user)["publication"] == first
        lines = shop.ask("publications").out.splitlines()
        assert [line.split()[:2] for line in lines] == [[first, "live"], [second, "kept"]]
    finally:
        shop.ask("rollback", "--to", second)
    assert shown(shop, user)["publication"] == second


def test_exports_are_copied_and_read_without_spark(shop, tmp_path):
    to = tmp_path / "copy"
    said = shop.ask("export", "--dataset", "sample", "--to", to).out
    assert said.startswith(f"{to}: ")
    assert verify_exports(to) == shop.exports(shop.live())
    table = pq.read_table(to / "topn_user.parquet")
    assert len(table) == shop.manifest(shop.live())["rows"]["topn_user"]
    keys = table["user_key"].to_pylist()
    assert keys == sorted(keys)
    lines = [
        line
        for path in sorted((to / "topn_segment.jsonl").iterdir())
        for line in path.read_text("utf-8").splitlines()
    ]
    levels = [json.loads(line)["level"] for line in lines]
    assert levels == ["global", *["region"] * 4]


def test_user_key_settings_and_doctor(shop, user):
    key = must("recsys-batch", "user-key", user).out.strip()
    keys = pq.read_table(shop.home / "exports" / shop.live() / "topn_user.parquet")["user_key"]
    assert key in keys.to_pylist()
    assert "name: sample" in must("recsys-batch", "settings", "--dataset", "sample").out
    assert "Java" in must("recsys-batch", "doctor", "--lake", shop.lake).out


@pytest.fixture(scope="module")
def url(shop) -> Iterator[str]:
    """A service of its own process on a free port."""
    command = [str(BIN / "recsys-batch"), "serve", "--lake", str(shop.lake), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(timeout=20) == -signal.SIGTERM  # it stops as it was asked to
        process.stdout.close()


def test_the_service_answers_what_show_shows(shop, user, url):
    answer = httpx.get(f"{url}/v1/recommendations/{user}", params={"n": 5})
    assert answer.status_code == 200
    assert answer.json() == shown(shop, user, "-n", 5)
    fallback = httpx.get(f"{url}/v1/recommendations/a%20stranger", params={"region": "north"})
    assert fallback.json()["level"] == "region"
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_the_service_follows_a_rollback(shop, user, url):
    second = shop.live()
    shop.ask("rollback")
    try:
        first = shop.live()
        assert first != second
        deadline = time.monotonic() + 20
        answered = second
        while answered != first and time.monotonic() < deadline:
            time.sleep(0.1)
            answered = httpx.get(f"{url}/v1/recommendations/{user}").json()["publication"]
        assert answered == first
    finally:
        shop.ask("rollback", "--to", second)


def test_the_folder_of_a_publication_is_immutable(shop):
    """Nothing above wrote into a store or an export."""
    for name in (path.name for path in (shop.home / "exports").iterdir()):
        verify_exports(shop.home / "exports" / name)

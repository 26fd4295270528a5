"""A manifest is sealed once: the same lists again are no news, other lists are an error."""

from __future__ import annotations

import datetime as dt

import pytest

from recsys_batch.errors import PublicationError
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.runs import Run
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES
from recsys_batch.publish.manifest import (
    live_of_later_day,
    manifests,
    require_same_lists,
    seal,
    sealed_manifest,
)
from recsys_batch.publish.pointer import move_current

RUN = Run("2026-01-02-abc", dt.date(2026, 1, 2), 4, "events", 100, "config", "code")
MADE = {"recipe": {"factors": 8}, "metrics": {"ndcg@10": 0.25}}


def put(lake: Lake, *, first: str = "a", run: Run = RUN, ranked_in: str = "r") -> None:
    """Three user lists and two fallback lists of a run."""
    popular = ("b", 0.5, "popular", "popular with everyone", [0.5], 1.0, None)
    listed = [(first, 1.5, "als", None, [1.5], 1.0, 0.25), popular]
    users = [(run.run_id, user, "north", listed, ranked_in) for user in ("u1", "u2", "u3")]
    segments = [(run.run_id, "global", None, listed), (run.run_id, "region", "süd", listed)]
    for table, rows in (("topn_user", users), ("topn_segment", segments)):
        frame = lake.spark.createDataFrame(rows, TABLES[table].ddl)
        lake.replace(table, frame, publication_id=run.run_id)


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory) -> Lake:
    made = Lake(spark, tmp_path_factory.mktemp("lake") / "shop")
    put(made)
    return made


@pytest.fixture(scope="module")
def sealed(lake) -> dict:
    return seal(lake, RUN, **MADE)


@pytest.mark.spark
def test_the_manifest_says_what_it_holds_and_what_it_was_made_from(lake, sealed):
    assert sealed["publication_id"] == RUN.run_id
    assert sealed["as_of"] == "2026-01-02"
    assert sealed["rows"] == {"topn_user": 3, "topn_segment": 2}
    assert sealed["events"] == 100
    assert sealed["events_digest"] == "events"
    assert sealed["config_digest"] == "config"
    assert sealed["code_version"] == "code"
    assert sealed["recipe"] == {"factors": 8}
    assert sealed["metrics"] == {"ndcg@10": 0.25}
    assert set(sealed["digests"]) == {"topn_user", "topn_segment"}
    assert sealed_manifest(lake.home, RUN.run_id) == sealed


@pytest.mark.spark
def test_sealing_again_returns_the_same_manifest_and_writes_nothing(lake, sealed):
    put(lake, ranked_in="another")  # the same lists, written again
    version = lake.version("publications")
    assert seal(lake, RUN, recipe={"factors": 9}, metrics={}) == sealed
    assert lake.version("publications") == version


@pytest.mark.spark
def test_other_lists_are_refused_with_both_digests(lake, sealed):
    put(lake, first="z")
    try:
        with pytest.raises(PublicationError) as caught:
            seal(lake, RUN, **MADE)
    finally:
        put(lake)
    assert sealed["digests"]["topn_user"][:16] in caught.value.what
    assert "the lists came out with digest" in caught.value.what
    assert caught.value.where == "publication 2026-01-02-abc, topn_user"
    assert sealed_manifest(lake.home, RUN.run_id) == sealed


@pytest.mark.spark
def test_a_run_without_lists_is_not_sealed(lake):
    other = Run("2026-01-03-abc", dt.date(2026, 1, 3), 4, "events", 100, "config", "code")
    with pytest.raises(PublicationError, match=r"topn_user holds no list of 2026-01-03-abc"):
        seal(lake, other, **MADE)
    assert sealed_manifest(lake.home, other.run_id) is None


def test_each_table_is_compared():
    sealed = {"publication_id": "p", "digests": {"topn_user": "a" * 64, "topn_segment": "b" * 64}}
    require_same_lists(sealed, users="a" * 64, segments="b" * 64)
    for given in ({"users": "c" * 64, "segments": "b" * 64}, {"users": "a" * 64, "segments": "d"}):
        with pytest.raises(PublicationError, match="came out with digest"):
            require_same_lists(sealed, **given)


def test_manifests_come_in_the_order_of_their_days(tmp_path):
    assert manifests(tmp_path) == []
    for name, day in (("2026-01-02-b", 2), ("2026-01-10-a", 10), ("2026-01-02-a", 2)):
        as_of = dt.date(2026, 1, day)
        text = f'{{"publication_id": "{name}", "as_of": "{as_of}"}}'
        row = {"publication_id": name, "as_of": as_of, "manifest": text}
        replace_rows(tmp_path, "publications", [row], publication_id=name)
    assert [each["publication_id"] for each in manifests(tmp_path)] == [
        "2026-01-02-a",
        "2026-01-02-b",
        "2026-01-10-a",
    ]


def test_a_later_day_that_is_live_is_named(tmp_path):
    assert live_of_later_day(tmp_path, "2026-01-01") is None
    as_of = dt.date(2026, 1, 5)
    text = '{"publication_id": "p5", "as_of": "2026-01-05"}'
    row = {"publication_id": "p5", "as_of": as_of, "manifest": text}
    replace_rows(tmp_path, "publications", [row], publication_id="p5")
    assert live_of_later_day(tmp_path, "2026-01-01") is None
    move_current(tmp_path, "p5")
    assert live_of_later_day(tmp_path, "2026-01-04") == "p5"
    assert live_of_later_day(tmp_path, "2026-01-05") is None
    assert live_of_later_day(tmp_path, "2026-01-06") is None

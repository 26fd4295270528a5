"""MovieLens 100K from its files to its lists, and the ten weeks after the day."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest

from benchmarks.daily.following import Following, Published, following
from e2e.real import report, run_day
from recsys_batch.features.history import day_end
from recsys_batch.ingest.pseudonyms import load_key

# Of the days after which weeks follow, the one whose known users come back most often.
DAY = "1998-02-10"
pytestmark = [pytest.mark.realdata, pytest.mark.slow]


@pytest.fixture(scope="session")
def films(datasets, tmp_path_factory) -> Published:
    landing = datasets / "ml-100k"
    lake = tmp_path_factory.mktemp("lake")
    return run_day("movielens_100k", landing=landing, day=DAY, lake=lake)


@pytest.fixture(scope="session")
def after(films) -> Following:
    return following(films)


@pytest.fixture(scope="session")
def ratings(datasets) -> list[tuple[str, str, int]]:
    """User, film and second of each rating, read without the package."""
    rows = [line.split("\t") for line in Path(datasets / "ml-100k/u.data").read_text().splitlines()]
    return [(user, film, int(second)) for user, film, _, second in rows]


def test_every_row_is_accounted_for(films, ratings):
    batches = films.table("batches", status="complete")
    counts = ("source", "landed", "accepted", "quarantined", "duplicate")
    assert sorted(batches.select(counts).rows()) == [
        ("events", 100_000, 100_000, 0, 0),
        ("items", 1_682, 1_682, 0, 0),
        ("profiles", 943, 943, 0, 0),
    ]
    assert len(ratings) == len(films.table("events")) == 100_000


def test_films_have_their_titles_and_genres(films):
    items = films.table("items", run_id=films.publication, part="full")
    assert len(items) == 1_682
    assert items["title"].null_count() == 0
    found = {row["item_id"]: row for row in items.iter_rows(named=True)}
    assert found["50"]["title"] == "Star Wars (1977)"
    assert found["543"]["title"].startswith("Misérables, Les")  # the file is Latin-1
    assert found["1"]["category"] == "Animation"


def test_nobody_is_shown_what_they_rated(films, ratings):
    end = day_end(films.day).timestamp()
    key = load_key(create=False)[0]
    rated = defaultdict(set)
    for user, film, second in ratings:
        if second < end:
            rated[key.user_key(user)].add(film)
    lists = films.table("topn_user", publication_id=films.publication)
    assert set(lists["user_key"]) == set(rated)
    for user, items in lists.select("user_key", "items").iter_rows():
        shown = [each["item_id"] for each in items]
        assert len(shown) == len(set(shown)) == 100
        assert not rated[user] & set(shown)


def test_known_and_new_users_of_the_weeks_after_are_all_counted(films, after, ratings):
    end = day_end(films.day).timestamp()
    known = {user for user, _, second in ratings if second < end}
    later = Counter(user for user, _, second in ratings if second >= end)
    assert len(after.users) == len(known & set(later))
    assert after.cold == len(set(later) - known)
    assert after.truth.nnz == sum(later[user] for user in known)


def test_lists_beat_plain_popularity_on_the_weeks_after(after):
    """Plain counts are what published comparisons call popularity."""
    difference = after.against(after.counted)
    ours, theirs = after.ndcg(after.lists).mean(), after.ndcg(after.counted).mean()
    sys.stdout.write(
        f"lists {ours:.4f}, counts {theirs:.4f}, difference {report(difference)}; "
        f"{after.cold} further users were new\n"
    )
    assert difference.users > 100
    assert difference.holds


def test_lists_are_level_with_our_own_popularity_of_the_last_days(after):
    """Half-life seven days: all the taste that one visit a user shows adds nothing to that here."""
    difference = after.against(after.popular)
    ours, theirs = after.ndcg(after.lists).mean(), after.ndcg(after.popular).mean()
    sys.stdout.write(f"lists {ours:.4f}, recent {theirs:.4f}, difference {report(difference)}\n")
    assert difference.difference.high > 0


def test_the_gate_passed(films):
    (decision,) = films.table("decisions", run_id=films.publication).iter_rows(named=True)
    assert decision["passed"]
    metrics = films.table("metrics", run_id=films.publication).filter(pl.col("metric") == "ndcg@10")
    value = dict(metrics.select("model", "value").iter_rows())
    assert value["lists"] >= value["popularity"]

"""A model that is kept for a week: days are folded in, and lists in which nothing changed stay."""

from __future__ import annotations

import collections
import json
import re

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from e2e.sample import Shop, must
from recsys_batch.edge.entries import earlier_store
from recsys_batch.edge.manifest import DATA, MANIFEST
from recsys_batch.edge.store import store_folder

pytestmark = [pytest.mark.spark, pytest.mark.slow]

FIT, DAYS = "2026-01-08", ("2026-01-09", "2026-01-10")
SOURCES = "{als: {kind: als, factors: 8}, again: {kind: repeat, half_life_days: 9}}"
KEPT = (
    *("--set", "model.refit_days=7", "--set", f"model.sources={SOURCES}"),
    *("--set", "model.weights={als: 1.0, again: 0.5}"),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    """A shop to which no items come: all that changes is what users do, and who comes."""
    home = tmp_path_factory.mktemp("kept")
    must(
        *("recsys-batch", "simulate", "--out", home / "shop", "--users", "150", "--items", "30"),
        *("--days", "10", "--set", "new_item_share=0", "--set", "late_share=0"),
    )
    return Shop(home / "shop" / "landing", home / "lake")


def backfill(shop: Shop, first: str, last: str) -> str:
    ran = must(
        *("recsys-batch", "backfill", "--dataset", "sample", "--from", first, "--to", last),
        *("--landing", shop.landing, "--lake", shop.lake, *KEPT),
    )
    return ran.err


def rows(shop: Shop, table: str) -> list[dict]:
    return pa.table(DeltaTable(str(shop.home / "gold" / table)).scan()).to_pylist()


def digests(shop: Shop) -> dict[str, object]:
    """Digests of the lists of each publication."""
    return {
        each["publication_id"]: json.loads(each["manifest"])["digests"]
        for each in rows(shop, "publications")
    }


@pytest.fixture(scope="module")
def said(shop) -> str:
    """The fit and two days that are folded into it."""
    return backfill(shop, FIT, DAYS[-1])


def test_only_users_of_whom_something_changed_are_ranked_anew(shop, said):
    found = {}
    for row in rows(shop, "list_changes"):
        found.setdefault(row["run_id"][:10], {})[row["reason"]] = row
    assert found[FIT]["there are no earlier lists to build upon"]["users"] > 50
    for day in DAYS:
        own = {reason: row["users"] for reason, row in found[day].items()}
        assert set(own) <= {
            *("what they did", "users without a list before", "region, cohort or age"),
            "unchanged",
        }
        assert own["unchanged"] > 20
        assert own["what they did"] > 5
        assert found[day]["unchanged"]["built_on"][:10] < day
    assert "lists are made anew: " in said
    folded = re.findall(r"(?:full|train): (\d+) of (\d+) users are folded in anew", said)
    assert len(folded) == 2 * len(DAYS)
    assert all(0 < int(anew) < int(active) for anew, active in folded)
    fits = {row["run_id"][:10]: str(row["fit_day"]) for row in rows(shop, "recipes")}
    assert fits == dict.fromkeys((FIT, *DAYS), FIT)


@pytest.mark.usefixtures("said")
def test_lists_made_anew_altogether_are_the_same(shop):
    """A sealed publication is made again without building upon any other."""
    ran = must(
        *("recsys-batch", "recommend", "--dataset", "sample", "--date", DAYS[-1]),
        *("--lake", shop.lake, "--landing", shop.landing, *KEPT),
    )
    assert "is sealed; its lists came out the same" in ran.err


@pytest.mark.usefixtures("said")
def test_the_last_day_alone_elsewhere_gives_the_same_publication(shop, tmp_path):
    """The fit is made first, of the day that it belongs to."""
    other = Shop(shop.landing, tmp_path / "lake")
    heard = backfill(other, DAYS[-1], DAYS[-1])
    assert f"the model of {FIT}, which is kept for some days, is not there" in heard
    (one,) = digests(other).items()
    assert one in digests(shop).items()
    for name in (DATA, MANIFEST):
        built, altogether = (
            (store_folder(each.home, one[0]) / name).read_bytes() for each in (shop, other)
        )
        assert built == altogether


@pytest.mark.usefixtures("said")
def test_lists_say_in_which_run_they_were_ranked(shop):
    """Of the last day's, those that were taken over; so its store took their entries over, too."""
    runs = {row["run_id"][:10]: row["run_id"] for row in rows(shop, "runs")}
    last = runs[DAYS[-1]]
    lists = [row for row in rows(shop, "topn_user") if row["publication_id"] == last]
    of_run = collections.Counter(row["ranked_in"] for row in lists)
    told = {
        row["reason"]: row["users"] for row in rows(shop, "list_changes") if row["run_id"] == last
    }
    assert sum(of_run.values()) - of_run[last] == told["unchanged"]
    assert set(of_run) == set(runs.values())
    with earlier_store(shop.home, last) as store:
        assert store.publication_id == runs[DAYS[0]]
    with earlier_store(shop.home, runs[FIT]) as store:
        assert store is None

"""Lists to the entries of an edge store: in the order of their bytes, and equal bytes each time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from recsys_batch.edge.bodies import answer
from recsys_batch.edge.entries import store_entries
from recsys_batch.edge.manifest import DATA, MANIFEST
from recsys_batch.edge.store import EdgeStore, build_store, store_folder
from recsys_batch.errors import EdgeError
from recsys_batch.lake.tables import LIST_ITEM

pytestmark = pytest.mark.spark

ITEMS = f"items ARRAY<{LIST_ITEM}>"
LISTS = f"user_key STRING, {ITEMS}, ranked_in STRING"
COHORTS = ["a b", "DE", "日本"]  # some are called as regions are
REGIONS = ["Österreich", "zürich", "Zürich", "日本", "Île-de-France", "a b", "DE", "\U0001f30d"]
USERS = sorted(hashlib.sha256(bytes([number])).hexdigest() for number in range(25))


def items(name: str) -> list[tuple[object, ...]]:
    return [
        (f"{name}-1", 1.5, "als", f"because of {name}", [1.0, 0.5], 1.0, 0.125),
        (f"{name}-2", 0.25, "popular", "so", [0.25, 0.0], 0.5, None),
    ]


def own_items(user: str) -> list[tuple[object, ...]]:
    return items(user[:4]) if user != USERS[3] else []


@pytest.fixture(scope="module")
def lists(spark):
    users = [(user, own_items(user), "p1") for user in reversed(USERS)]
    segments = [("region", region, items(region)) for region in REGIONS]
    segments += [("cohort", cohort, items(f"{cohort}'s")) for cohort in COHORTS]
    return (
        spark.createDataFrame(users, LISTS).orderBy("user_key"),
        spark.createDataFrame(
            [*segments, ("global", None, items("all"))], f"level STRING, segment STRING, {ITEMS}"
        ),
    )


def entries(users, segments) -> list[tuple[str, bytes]]:
    return list(store_entries(users, segments, publication_id="p1"))


@pytest.fixture(scope="module")
def found(lists) -> list[tuple[str, bytes]]:
    return entries(*lists)


def test_keys_ascend_by_their_bytes(found):
    keys = [key.encode() for key, _ in found]
    assert keys == sorted(set(keys))
    assert [key for key, _ in found] == [
        *sorted((f"c:{cohort}" for cohort in COHORTS), key=str.encode),
        "g:",
        *sorted((f"r:{region}" for region in REGIONS), key=str.encode),
        *(f"u:{user}" for user in USERS),
    ]


def told(value: bytes) -> list[dict[str, object]]:
    return json.loads(answer(b'{"items":[', value, 10))["items"]


def test_each_value_is_its_list(found):
    lists = {key: told(value) for key, value in found}
    assert lists["g:"] == [
        # What explains a score, propensity and probability are for analysts and not served.
        dict(zip(("item_id", "score", "source", "reason"), item[:4], strict=True))
        for item in items("all")
    ]
    assert lists["r:日本"][0]["reason"] == "because of 日本"
    assert lists["c:日本"][0]["reason"] == "because of 日本's"
    assert lists[f"u:{USERS[0]}"][1]["item_id"] == f"{USERS[0][:4]}-2"
    assert lists[f"u:{USERS[3]}"] == []


def test_neither_partitions_nor_order_change_a_byte(lists, found):
    users, segments = lists
    spread = users.repartition(7).orderBy("user_key").persist()
    assert entries(spread, segments.repartition(3)) == found
    assert entries(users.coalesce(1).sortWithinPartitions("user_key"), segments) == found
    spread.unpersist()


def test_stores_built_twice_are_byte_identical(lists, tmp_path):
    def build(home: Path, parts: int) -> Path:
        folder = store_folder(home, "p1")
        stream = store_entries(
            lists[0].repartition(parts).orderBy("user_key"),
            lists[1],
            publication_id="p1",
        )
        build_store(folder, stream, as_of="2026-01-02", details={})
        return folder

    one, two = build(tmp_path / "one", 1), build(tmp_path / "two", 5)
    for name in (DATA, MANIFEST):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    before = (one / DATA).stat().st_ino
    assert build(tmp_path / "one", 3) == one  # proves that it is there already
    assert (one / DATA).stat().st_ino == before
    with EdgeStore(one) as store:
        assert len(store) == len(USERS) + len(REGIONS) + len(COHORTS) + 1
        assert told(store.get("r:Zürich"))[0]["item_id"] == "Zürich-1"


def test_users_out_of_order_are_refused(lists, tmp_path):
    stream = store_entries(
        lists[0].orderBy("user_key", ascending=False),
        lists[1],
        publication_id="p1",
    )
    with pytest.raises(EdgeError, match="sort by key"):
        build_store(store_folder(tmp_path, "p1"), stream, as_of="2026-01-02", details={})
    assert list((tmp_path / "edge").iterdir()) == []


def test_a_publication_without_user_lists_has_its_fallbacks(lists):
    users, segments = lists
    found = entries(users.where("false"), segments)
    assert found[len(COHORTS)][0] == "g:"
    assert len(found) == len(REGIONS) + len(COHORTS) + 1


@pytest.fixture
def taken_over(spark, lists, tmp_path):
    """Lists of p2, of which every second is one that p1 had; users come and go, and p1's store."""
    users, segments = lists
    store = store_folder(tmp_path, "p1")
    build_store(store, entries(users, segments), as_of="2026-01-02", details={})
    rows = [
        (user, items(f"new {user[:4]}"), "p2")
        if place % 2
        else (user, own_items(user), ("p1", "p0")[place % 4 // 2])
        for place, user in enumerate([*USERS[:20], "zz"], start=1)
    ]
    later = spark.createDataFrame(rows, LISTS).orderBy("user_key")
    with EdgeStore(store) as earlier:
        yield later, segments, earlier


def test_lists_that_were_taken_over_are_those_of_the_earlier_store_to_the_byte(taken_over):
    later, segments, earlier = taken_over
    whole = list(store_entries(later, segments, publication_id="p2"))
    taken = list(store_entries(later, segments, publication_id="p2", earlier=earlier))
    assert taken == whole
    assert len(taken) == len(REGIONS) + len(COHORTS) + 1 + 21
    assert told(dict(taken)[f"u:{USERS[0]}"])[0]["item_id"] == f"new {USERS[0][:4]}-1"


def test_lists_that_were_taken_over_are_not_serialised_again(taken_over, tmp_path):
    """What stands in the earlier store is what comes, whatever the lists say."""
    later, segments, _ = taken_over
    store = store_folder(tmp_path, "other")
    marked = ((f"u:{user}", b"as it was") for user in USERS)
    build_store(store, marked, as_of="2026-01-02", details={})
    with EdgeStore(store) as earlier:
        taken = dict(store_entries(later, segments, publication_id="p2", earlier=earlier))
    assert [taken[f"u:{user}"] == b"as it was" for user in USERS[:4]] == [False, True, False, True]


def test_a_list_that_is_not_where_it_was_taken_from_is_an_error(taken_over, tmp_path):
    later, segments, _ = taken_over
    store = store_folder(tmp_path, "other")
    build_store(store, [("u:0", b"x")], as_of="2026-01-02", details={})
    with (
        EdgeStore(store) as earlier,
        pytest.raises(EdgeError, match="not in the store that it was taken from"),
    ):
        list(store_entries(later, segments, publication_id="p2", earlier=earlier))

"""Lists to the entries of an edge store: in the order of their bytes, and equal bytes each time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from recsys_batch.edge.bodies import decode_body
from recsys_batch.edge.entries import store_entries
from recsys_batch.edge.manifest import DATA, MANIFEST
from recsys_batch.edge.store import EdgeStore, build_store, store_folder
from recsys_batch.errors import EdgeError
from recsys_batch.lake.tables import LIST_ITEM

pytestmark = pytest.mark.spark

ITEMS = f"items ARRAY<{LIST_ITEM}>"
COHORTS = ["a b", "DE", "日本"]  # some are called as regions are
REGIONS = ["Österreich", "zürich", "Zürich", "日本", "Île-de-France", "a b", "DE", "\U0001f30d"]
USERS = sorted(hashlib.sha256(bytes([number])).hexdigest() for number in range(25))


def items(name: str) -> list[tuple[object, ...]]:
    return [
        (f"{name}-1", 1.5, "als", f"because of {name}", [1.0, 0.5], 1.0, 0.125),
        (f"{name}-2", 0.25, "popular", "so", [0.25, 0.0], 0.5, None),
    ]


@pytest.fixture(scope="module")
def lists(spark):
    users = [(user, items(user[:4]) if user != USERS[3] else []) for user in reversed(USERS)]
    segments = [("region", region, items(region)) for region in REGIONS]
    segments += [("cohort", cohort, items(f"{cohort}'s")) for cohort in COHORTS]
    return (
        spark.createDataFrame(users, f"user_key STRING, {ITEMS}").orderBy("user_key"),
        spark.createDataFrame(
            [*segments, ("global", None, items("all"))], f"level STRING, segment STRING, {ITEMS}"
        ),
    )


def entries(users, segments) -> list[tuple[str, bytes]]:
    return list(store_entries(users, segments, publication_id="p1", as_of="2026-01-02"))


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


def test_each_body_is_its_list(found):
    bodies = {key: decode_body(body) for key, body in found}
    assert bodies["g:"] == {
        "publication": "p1",
        "as_of": "2026-01-02",
        "level": "global",
        "items": [
            # What explains a score, propensity and probability are for analysts and not served.
            dict(zip(("item_id", "score", "source", "reason"), item[:4], strict=True))
            for item in items("all")
        ],
    }
    assert bodies["r:日本"]["level"] == "region"
    assert bodies["r:日本"]["items"][0]["reason"] == "because of 日本"
    assert bodies["c:日本"]["level"] == "cohort"
    assert bodies["c:日本"]["items"][0]["reason"] == "because of 日本's"
    assert bodies[f"u:{USERS[0]}"]["level"] == "user"
    assert bodies[f"u:{USERS[0]}"]["items"][1]["item_id"] == f"{USERS[0][:4]}-2"
    assert bodies[f"u:{USERS[3]}"]["items"] == []


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
            as_of="2026-01-02",
        )
        build_store(folder, stream, publication_id="p1", details={"as_of": "2026-01-02"})
        return folder

    one, two = build(tmp_path / "one", 1), build(tmp_path / "two", 5)
    for name in (DATA, MANIFEST):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    before = (one / DATA).stat().st_ino
    assert build(tmp_path / "one", 3) == one  # proves that it is there already
    assert (one / DATA).stat().st_ino == before
    with EdgeStore(one) as store:
        assert len(store) == len(USERS) + len(REGIONS) + len(COHORTS) + 1
        assert decode_body(store.get("r:Zürich"))["items"][0]["item_id"] == "Zürich-1"


def test_users_out_of_order_are_refused(lists, tmp_path):
    stream = store_entries(
        lists[0].orderBy("user_key", ascending=False),
        lists[1],
        publication_id="p1",
        as_of="2026-01-02",
    )
    with pytest.raises(EdgeError, match="sort by key"):
        build_store(store_folder(tmp_path, "p1"), stream, publication_id="p1", details={})
    assert list((tmp_path / "edge").iterdir()) == []


def test_a_publication_without_user_lists_has_its_fallbacks(lists):
    users, segments = lists
    found = entries(users.where("false"), segments)
    assert found[len(COHORTS)][0] == "g:"
    assert len(found) == len(REGIONS) + len(COHORTS) + 1

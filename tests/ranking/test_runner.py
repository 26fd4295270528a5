"""Ranking on Spark equals ranking one block in NumPy, however the users are spread."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ranking.cases import catalog, excluded
from recsys_batch.lake.digests import frame_digest
from recsys_batch.ranking.blocks import SOURCES, rank_block
from recsys_batch.ranking.inputs import ranking_input
from recsys_batch.ranking.runner import rank_users, segment_lists

pytestmark = pytest.mark.spark

ITEMS = [f"i{number:02}" for number in range(30)]
USERS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(40)]
REGIONS = [("north", "süd", "unheard of", None)[number % 4] for number in range(40)]
LIST = "items.item_id", "items.score", "items.source"


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(5)
    vectors = {item: rng.standard_normal(6).round(3).tolist() for item in ITEMS[:24]}
    return catalog(
        ITEMS,
        vectors=vectors,
        popular={item: (30 - place) / 30 for place, item in enumerate(ITEMS[5:], start=0)},
        regional={"north": {"i29": 1.0, "i03": 0.5}, "süd": {"i28": 1.0}, "empty": {}},
        blocked=["i07", "i29"],
    )


@pytest.fixture(scope="module")
def history():
    """Every third user has none; the last saw everything."""
    rng = np.random.default_rng(6)
    rows = []
    for place, user in enumerate(USERS[:-1]):
        if place % 3:
            for row in sorted(rng.choice(30, size=5, replace=False).tolist()):
                seen, weight = row % 2 == 0, 0.0 if row % 10 == 0 else 1.5
                kind = "purchase" if seen else "view"
                rows.append((user, ITEMS[row], weight, kind, seen))
    return rows + [(USERS[-1], item, 1.0, "purchase", True) for item in ITEMS]


@pytest.fixture(scope="module")
def vectors():
    """Users known to the model; two of five are not."""
    rng = np.random.default_rng(7)
    return {
        user: rng.standard_normal(6).astype(np.float32)
        for place, user in enumerate(USERS)
        if place % 5 > 1
    }


@pytest.fixture(scope="module")
def users(spark, history, vectors):
    return ranking_input(
        spark.createDataFrame(
            list(zip(USERS, REGIONS, strict=True)), "user_key STRING, region STRING"
        ),
        spark.createDataFrame(
            [(user, vector.tolist()) for user, vector in vectors.items()],
            "user_key STRING, factors ARRAY<FLOAT>",
        ),
        spark.createDataFrame(
            history,
            "user_key STRING, item_id STRING, weight DOUBLE, event_type STRING, seen BOOLEAN",
        ),
    ).persist()


def block_lists(shop, history, vectors, *, n: int, exclude_seen: bool):
    """All users as one block, from the same facts and without Spark."""
    row_of = {item: row for row, item in enumerate(ITEMS)}
    taken = [
        [row_of[item] for owner, item, *_, seen in history if owner == user and seen]
        for user in USERS
    ]
    block = rank_block(
        shop,
        vectors=np.array([vectors.get(user, np.zeros(6)) for user in USERS], dtype=np.float32),
        known=np.array([user in vectors for user in USERS]),
        regions=REGIONS,
        exclude=excluded(taken if exclude_seen else [[]] * len(USERS), len(ITEMS)),
        n=n,
    )
    return {
        user: [
            (ITEMS[row], float(score), SOURCES[source])
            for row, score, source in zip(
                block.rows[place], block.scores[place], block.sources[place], strict=True
            )
            if row >= 0
        ]
        for place, user in enumerate(USERS)
    }


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("n", [7, 50])
def test_users_on_spark_equal_one_block(users, shop, history, vectors, n, exclude_seen):
    ranked = rank_users(users, shop, n=n, exclude_seen=exclude_seen).collect()
    found = {
        row["user_key"]: [(each["item_id"], each["score"], each["source"]) for each in row["items"]]
        for row in ranked
    }
    assert len(ranked) == len(USERS)
    assert found == block_lists(shop, history, vectors, n=n, exclude_seen=exclude_seen)
    assert [
        row["region"] for row in sorted(ranked, key=lambda row: USERS.index(row["user_key"]))
    ] == REGIONS
    if exclude_seen:
        assert found[USERS[-1]] == []


def test_partitions_and_batches_change_nothing(spark, users, shop):
    whole = frame_digest(rank_users(users.coalesce(1), shop, n=9, exclude_seen=True))
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(key)
    spark.conf.set(key, "3")
    try:
        spread = frame_digest(rank_users(users.repartition(7), shop, n=9, exclude_seen=True))
    finally:
        spark.conf.set(key, before)
    assert whole == spread
    assert whole[1] == len(USERS)


def test_reasons_read_the_history_of_positive_weight(users, shop, history):
    ranked = rank_users(users, shop, n=30, exclude_seen=False).collect()
    named = {
        user: {item for owner, item, weight, *_ in history if owner == user and weight > 0}
        for user in USERS
    }
    personal = 0
    for row in ranked:
        for item in row["items"]:
            reason = item["reason"]
            if item["source"] != "als":
                assert reason in {"popular with everyone", f"popular in {row['region']}"}
            elif reason.endswith("it before"):
                assert item["item_id"] in named[row["user_key"]]
            elif reason != "close to your taste":
                personal += 1
                verb, _, cause = reason.removeprefix("because you ").partition(" the ")
                assert cause in named[row["user_key"]] & set(ITEMS[:24])
                assert verb == ("bought" if int(cause[1:]) % 2 == 0 else "looked at")
    assert personal > 100


def test_without_reasons_the_lists_are_the_same(users, shop):
    bare = rank_users(users, shop, n=9, exclude_seen=True, with_reasons=False)
    full = rank_users(users, shop, n=9, exclude_seen=True)
    assert frame_digest(bare.select("user_key", *LIST)) == frame_digest(
        full.select("user_key", *LIST)
    )
    assert bare.selectExpr("explode(items) AS item").where("item.reason IS NOT NULL").isEmpty()


def test_segments_are_the_list_of_all_and_of_each_region(shop):
    lists = {segment: (level, items) for level, segment, items in segment_lists(shop, n=4)}
    assert list(lists) == [None, "north", "süd", "empty"]
    assert {level for level, _ in lists.values()} == {"global", "region"}
    ids = {segment: [item["item_id"] for item in items] for segment, (_, items) in lists.items()}
    assert ids[None] == ["i05", "i06", "i08", "i09"]  # i07 is blocked
    assert ids["north"] == ["i03", "i05", "i06", "i08"]  # i29 is blocked
    assert ids["süd"] == ["i28", "i05", "i06", "i08"]
    assert ids["empty"] == ids[None]
    assert lists["süd"][1][0]["reason"] == "popular in süd"
    assert lists["süd"][1][1]["reason"] == "popular with everyone"


def test_a_shop_that_knows_nobody_serves_what_is_popular(users):
    nobody = users.selectExpr(
        "user_key", "region", "CAST(NULL AS ARRAY<FLOAT>) AS factors", "history"
    )
    empty = catalog(ITEMS, popular={"i02": 1.0, "i01": 0.5})
    ranked = rank_users(nobody, empty, n=2, exclude_seen=False).collect()
    assert len(ranked) == len(USERS)
    assert {tuple(item["item_id"] for item in row["items"]) for row in ranked} == {("i02", "i01")}

"""Whatever the rules, the catalogue and the users: exactly n allowed items, in a total order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from faults.soak import TIMES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from ranking.policy.cases import (
    CATEGORIES,
    DAY,
    arranged,
    item_facts,
    may_see,
    policy,
    reads,
    some_users,
)
from recsys_batch.ranking.policy import EXPLORATION, FILL, PIN, WHY, Arranged, ItemFacts, UserFacts

NAN = float("nan")
REGIONS, COHORTS, TAGS = ("north", "south"), ("new", "old"), ("a", "b")


@dataclass
class World:
    rules: dict[str, Any]
    items: ItemFacts
    users: UserFacts
    candidates: np.ndarray
    scores: np.ndarray
    fill: np.ndarray
    exclude: sparse.csr_matrix
    taken: np.ndarray
    n: int

    def arranged(self, run_id: str = "run", only: slice = slice(None)) -> Arranged:
        users = UserFacts(
            keys=self.users.keys[only],
            regions=self.users.regions[only],
            cohorts=self.users.cohorts[only],
            age_years=self.users.age_years[only],
            tastes=self.users.tastes[only],
        )
        return arranged(
            policy(**self.rules),
            self.items,
            self.scores[only],
            n=self.n,
            candidates=self.candidates[only],
            users=users,
            run_id=run_id,
            fill=self.fill,
            exclude=self.exclude[only],
            last_taken_days=self.taken[only],
        )

    def allowed(self, user: int) -> set[int]:
        """Items that may stand in the user's list, as far as rules of any order allow."""
        rows = {
            row
            for row in range(len(self.items))
            if may_see(self.rules, self.items, self.users, user, row, self.exclude)
        }
        rule = self.rules.get("repeat", {}).get("any")
        if rule is not None:
            for row, days in zip(self.candidates[user], self.taken[user], strict=True):
                after = rule.get("after_days")
                if row >= 0 and days >= 0 and (after is None or days < after):
                    rows.discard(int(row))
        return rows


groups = st.fixed_dictionaries(
    {},
    optional={
        "items": st.lists(st.sampled_from([f"i{row}" for row in range(20)]), max_size=4),
        "categories": st.lists(st.sampled_from([*CATEGORIES, "none such"]), max_size=2),
        "tags": st.lists(st.sampled_from([*TAGS, "none such"]), max_size=2),
        "newer_than_days": st.sampled_from([5.0, 50.0]),
        "less_popular_than": st.sampled_from([0.2, 0.7]),
        "dearer_than": st.sampled_from([3.0, 8.0]),
    },
).map(lambda group: {key: value for key, value in group.items() if value})
some_groups = groups.filter(bool)
limits = st.builds(
    lambda low, wide, unknown: {"least": low, "most": low + wide, "unknown": unknown},
    st.integers(0, 6),
    st.integers(0, 20),
    st.booleans(),
)
scopes = st.fixed_dictionaries(
    {},
    optional={
        "allow": some_groups,
        "block": groups,
        "price": limits,
        "item_age_days": limits.map(lambda limit: {**limit, "most": limit["most"] * 10}),
    },
)
audiences = st.fixed_dictionaries(
    {},
    optional={
        "regions": st.just(["north"]),
        "cohorts": st.just(["new"]),
        "users": st.just(["u0", "u2"]),
    },
)
pins = st.fixed_dictionaries(
    {"item": st.integers(0, 20).map("i{}".format), "position": st.integers(1, 12)},
    optional={
        "audience": audiences,
        "period": st.sampled_from([{"first_day": DAY}, {"last_day": "2026-01-29"}]),
    },
)
firsts = st.one_of(st.none(), st.integers(1, 8))
caps = st.one_of(
    st.fixed_dictionaries(
        {"each": st.just("category"), "most": st.integers(0, 3), "first": firsts},
        optional={"audience": audiences},
    ),
    st.fixed_dictionaries(
        {"group": some_groups, "most": st.integers(0, 3), "first": firsts},
        optional={"audience": audiences},
    ),
)
floors = st.fixed_dictionaries(
    {"group": some_groups, "share": st.sampled_from([0.1, 0.3, 0.5, 1.0]), "first": firsts},
    optional={"audience": audiences},
)
soft = {
    "pins": st.lists(pins, max_size=3),
    "caps": st.lists(caps, max_size=2),
    "floors": st.lists(floors, max_size=2),
    "weights": st.fixed_dictionaries(
        {},
        optional={
            "margin": st.sampled_from([0.0, 0.5]),
            "novelty": st.sampled_from([-0.3, 0.4]),
            "freshness": st.just(0.2),
        },
    ),
    "popularity_debias": st.sampled_from([0.0, 0.6]),
    "diversity": st.fixed_dictionaries(
        {"method": st.sampled_from(["none", "mmr", "calibration"])},
        optional={
            "weight": st.sampled_from([0.0, 0.5, 0.9]),
            "likeness": st.sampled_from(["category", "vectors"]),
            "first": firsts,
        },
    ),
    "exploration": st.fixed_dictionaries(
        {"positions": st.lists(st.integers(1, 10), unique=True, min_size=1, max_size=3)},
        optional={
            "pool": st.integers(1, 6),
            "group": st.one_of(st.just({}), groups),
            "temperature": st.sampled_from([0.3, 1.0]),
        },
    ),
}
hard = {
    "safety": st.fixed_dictionaries(
        {},
        optional={
            "block": groups,
            "ages": st.lists(
                st.fixed_dictionaries(
                    {"group": some_groups, "from_years": st.just(18)},
                    optional={"unknown": st.booleans()},
                ),
                max_size=1,
            ),
        },
    ),
    "everywhere": scopes,
    "regions": st.dictionaries(st.sampled_from(REGIONS), scopes, max_size=2),
    "cohorts": st.dictionaries(st.sampled_from(COHORTS), scopes, max_size=1),
    "users": st.dictionaries(st.sampled_from(["u0", "u1"]), scopes, max_size=1),
    "repeat": st.dictionaries(
        st.just("any"),
        st.fixed_dictionaries(
            {"after_days": st.sampled_from([None, 0.0, 30.0])},
            optional={"boost": st.sampled_from([0.0, 2.0]), "half_life_days": st.just(10.0)},
        ),
        max_size=1,
    ),
}


@st.composite
def worlds(draw: st.DrawFn, absent: tuple[str, ...] = (), **fixed: Any) -> World:
    """Random rules, items, users and candidates; `fixed` rules are there, `absent` ones are not."""
    size, count = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    strict = hard if rng.random() < 0.3 else {}
    optional = {
        name: made for name, made in {**soft, **strict}.items() if name not in {*fixed, *absent}
    }
    rules = draw(st.fixed_dictionaries(fixed, optional=optional))
    items = item_facts(
        size,
        recommendable=rng.random(size) < 0.9,
        available=rng.random(size) < 0.9,
        categories=rng.integers(-1, len(CATEGORIES), size),
        prices=np.where(rng.random(size) < 0.2, NAN, rng.integers(0, 12, size)),
        age_days=np.where(rng.random(size) < 0.2, NAN, rng.integers(0, 100, size)),
        popularity=rng.integers(0, 5, size) / 4,
        margin=np.where(rng.random(size) < 0.2, NAN, rng.random(size)),
        vectors=rng.standard_normal((size, 3)) * (rng.random((size, 1)) < 0.8),
        tags=[[tag for tag in TAGS if rng.random() < 0.3] for _ in range(size)],
    )
    users = some_users(
        count,
        regions=rng.choice(np.array([*REGIONS, "west", None], dtype=object), count).tolist(),
        cohorts=rng.choice(np.array([*COHORTS, None], dtype=object), count).tolist(),
        age_years=rng.choice(np.array([10, 17, 18, 40, NAN], dtype=np.float32), count),
        tastes=(rng.integers(0, 3, (count, len(CATEGORIES)))).astype(np.float32),
    )
    width = int(rng.integers(0 if rng.random() < 0.2 else size // 2, size + 1))
    candidates = np.full((count, width), -1, dtype=np.int32)
    for user in range(count):
        own = np.sort(rng.permutation(size)[: rng.integers(width // 2, width + 1)])
        candidates[user, : len(own)] = own
    scores = rng.choice(np.array([-2.5, -0.0, 0.0, 1.0, 1e-30, 3e7, 0.3], "f4"), (count, width))
    if rng.random() < 0.5:
        scores = rng.standard_normal((count, width)).astype(np.float32)
    return World(
        rules=rules,
        items=items,
        users=users,
        candidates=candidates,
        scores=np.where(candidates >= 0, scores, np.float32(-np.inf)),
        fill=rng.permutation(size)[: rng.integers(0, size + 1)].astype(np.int32),
        exclude=sparse.csr_matrix((rng.random((count, size)) < 0.1).astype(np.int8)),
        taken=np.where(rng.random((count, width)) < 0.7, NAN, rng.integers(0, 60, (count, width))),
        n=draw(st.integers(1, 10)),
    )


many = settings(
    max_examples=50 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)


@many
@given(worlds())
def test_every_list_is_sound(world: World) -> None:
    inputs = world.candidates, world.scores, world.fill, world.taken
    before = [each.tobytes() for each in inputs]
    lists = world.arranged()
    assert [each.tobytes() for each in inputs] == before
    for user in range(len(world.users)):
        holds_n_distinct_allowed_items(world, lists, user)
        is_in_total_order(world, lists, user)
        adds_up(world, lists, user)


def holds_n_distinct_allowed_items(world: World, lists: Arranged, user: int) -> None:
    rows = lists.rows[user][lists.rows[user] >= 0].tolist()
    reachable = {*world.candidates[user].tolist(), *world.fill.tolist()}
    pinned = {int(pin["item"][1:]) for pin in world.rules.get("pins", ())} & set(rows)
    there = (reachable | pinned) & world.allowed(user)
    assert len(set(rows)) == len(rows) == min(world.n, len(there))
    assert set(rows) <= there
    assert lists.shortfall[user] == world.n - len(rows)
    assert (lists.rows[user][len(rows) :] == -1).all()
    filled = lists.rows[user][(lists.why[user] == FILL) & (lists.rows[user] >= 0)]
    assert not set(filled.tolist()) & set(world.candidates[user].tolist())


def is_in_total_order(world: World, lists: Arranged, user: int) -> None:
    length = world.n - lists.shortfall[user]
    scores, rows = lists.scores[user], lists.rows[user]
    keys = [(-float(scores[at]), int(rows[at])) for at in range(length)]
    assert keys == sorted(keys) and np.isfinite(scores[:length]).all()
    assert (scores[length:] == -np.inf).all()


def adds_up(world: World, lists: Arranged, user: int) -> None:
    length = world.n - lists.shortfall[user]
    assert not lists.adjustments[user, length:].any()
    for at in range(length):
        place, score = lists.places[user, at], float(lists.scores[user, at])
        assert lists.why[user, at] in range(len(WHY))
        assert place < 0 or world.candidates[user, place] == lists.rows[user, at]
        relevance = float(world.scores[user, place]) if place >= 0 else 0.0
        parts = relevance + float(lists.adjustments[user, at])
        assert abs(parts - score) <= 1e-6 * max(abs(relevance), abs(score)) + 1e-37


@many
@given(worlds(exploration=soft["exploration"]))
def test_what_is_certain_does_not_depend_on_chance(world: World) -> None:
    one, other = world.arranged("one"), world.arranged("other")
    certain = one.why != EXPLORATION
    assert np.array_equal(certain, other.why != EXPLORATION)
    assert np.array_equal(one.rows[certain], other.rows[certain])
    assert (one.propensity[certain & (one.rows >= 0)] == 1).all()
    assert (one.propensity[one.rows < 0] == 0).all()
    assert (one.propensity[~certain] > 0).all() and (one.propensity <= 1).all()
    same = one.rows == other.rows
    assert np.array_equal(one.propensity[same], other.propensity[same])


@many
@given(worlds())
def test_equal_input_gives_equal_bits_however_users_are_blocked(world: World) -> None:
    whole, again = world.arranged(), world.arranged()
    parts = [world.arranged(only=slice(user, user + 1)) for user in range(len(world.users))]
    for name in ("rows", "places", "scores", "why", "propensity", "adjustments", "shortfall"):
        one = getattr(whole, name)
        assert one.tobytes() == getattr(again, name).tobytes()
        assert one.tobytes() == np.concatenate([getattr(part, name) for part in parts]).tobytes()


# Rules besides which a floor is the only one that reorders.
MILD = ("pins", "caps", "floors", "diversity", "exploration")


@many
@given(worlds(absent=MILD), floors, st.booleans())
def test_a_lone_floor_makes_what_the_walk_from_place_to_place_makes(
    world: World, floor: dict[str, Any], young: bool
) -> None:
    if young:
        floor = {"group": {"newer_than_days": 50.0}, "share": floor["share"]}
    world.rules = {**world.rules, "floors": [floor]}
    quick = world.arranged()
    nobody = {"item": "i0", "position": 1, "audience": {"users": ["nobody"]}}
    world.rules = {**world.rules, "pins": [nobody]}
    walked = world.arranged()
    for name in ("rows", "places", "scores", "why", "propensity", "adjustments", "shortfall"):
        assert np.array_equal(getattr(quick, name), getattr(walked, name)), name


@many
@given(worlds(absent=("exploration",), pins=st.lists(pins, min_size=1, max_size=4)))
def test_pins_stand_at_their_places_if_they_may_be_shown(world: World) -> None:
    lists = world.arranged()
    for user in range(len(world.users)):
        expected: dict[int, int] = {}
        for pin in world.rules.get("pins", ()):
            row, place = int(pin["item"][1:]), pin["position"] - 1
            if not pin_holds(pin, world, user) or row in expected.values():
                continue
            while place in expected:
                place += 1
            if row in world.allowed(user) and place < world.n:
                expected[place] = row
        found = np.flatnonzero(lists.why[user] == PIN)
        assert lists.rows[user, found].tolist() == [row for _, row in sorted(expected.items())]
        if not lists.shortfall[user]:
            assert found.tolist() == sorted(expected)


def pin_holds(pin: dict[str, Any], world: World, user: int) -> bool:
    return in_audience(pin, world, user) and "last_day" not in pin.get("period", {})


def in_audience(rule: dict[str, Any], world: World, user: int) -> bool:
    audience, users = rule.get("audience", {}), world.users
    return (
        users.regions[user] in audience.get("regions", [users.regions[user]])
        and users.cohorts[user] in audience.get("cohorts", [users.cohorts[user]])
        and users.keys[user] in audience.get("users", [users.keys[user]])
    )


def excess(world: World, user: int, shown: dict[int, int], place: int, row: int) -> bool:
    """Whether an item at a place exceeds a cap, beside the items shown by place."""
    for cap in world.rules.get("caps", ()):
        first = cap["first"] or world.n
        if place >= first or not in_audience(cap, world, user):
            continue
        if "each" in cap:
            code = world.items.categories[row]
            alike = {each for each in shown.values() if world.items.categories[each] == code >= 0}
            counts = code >= 0
        else:
            alike = {each for each in shown.values() if reads(cap["group"], world.items, each)}
            counts = reads(cap["group"], world.items, row)
        count = sum(shown[at] in alike for at in shown if at < first)
        if counts and count >= cap["most"]:
            return True
    return False


@many
@given(worlds(caps=st.lists(caps, min_size=1, max_size=2), absent=("exploration",)))
def test_caps_hold_unless_nothing_else_is_left(world: World) -> None:
    lists = world.arranged()
    for user in np.flatnonzero(lists.shortfall == 0):
        rows, why = lists.rows[user].tolist(), lists.why[user]
        left = world.allowed(user) & ({*world.candidates[user].tolist(), *world.fill.tolist()})
        shown = {at: rows[at] for at in range(world.n) if why[at] == PIN}
        for place in range(world.n):
            if why[place] == PIN:
                continue
            if excess(world, user, shown, place, rows[place]):
                open_rows = left - set(shown.values())
                assert all(excess(world, user, shown, place, row) for row in open_rows)
            shown[place] = rows[place]


@many
@given(worlds(caps=st.lists(caps, min_size=1, max_size=2), exploration=soft["exploration"]))
def test_what_is_drawn_exceeds_no_cap(world: World) -> None:
    lists = world.arranged()
    for user in np.flatnonzero(lists.shortfall == 0):
        rows = lists.rows[user].tolist()
        for place in np.flatnonzero(lists.why[user] == EXPLORATION):
            others = {at: row for at, row in enumerate(rows) if at != place}
            # Items that had to exceed a cap stand here, too: it held before they came.
            if not any(
                excess(world, user, {k: v for k, v in others.items() if k != at}, at, row)
                for at, row in others.items()
            ):
                reachable = {*world.candidates[user].tolist(), *world.fill.tolist()}
                left = (world.allowed(user) & reachable) - set(rows)
                fitting = [row for row in left if not excess(world, user, others, place, row)]
                # Where nothing fits, something has to exceed a cap here as well.
                assert not excess(world, user, others, place, rows[place]) or not fitting


@many
@given(
    worlds(floors=st.lists(floors, min_size=1, max_size=1), absent=("pins", "caps", "exploration"))
)
def test_floors_hold_in_each_beginning_as_far_as_there_are_members(world: World) -> None:
    lists = world.arranged()
    floor = world.rules["floors"][0]
    for user in range(len(world.users)):
        if not in_audience(floor, world, user):
            continue
        left = world.allowed(user) & ({*world.candidates[user].tolist(), *world.fill.tolist()})
        members = {row for row in left if reads(floor["group"], world.items, row)}
        for k in range(1, min(floor["first"] or world.n, world.n - lists.shortfall[user]) + 1):
            shown = sum(row in members for row in lists.rows[user, :k].tolist())
            assert shown >= min(int(np.floor(floor["share"] * k + 1e-9)), len(members))

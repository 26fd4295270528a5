"""Lists of a model under rules: small ones by hand, a plain oracle, what every list promises."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.cases import listed, model, oracle, ranker, recipe, row, trained
from recsys_batch.models.recipes import Calibration
from recsys_batch.models.sources import CohortSettings, RegionalSettings, RepeatSettings
from recsys_batch.ranking.model import RankingModel

IDS = ("a", "b", "c", "d", "e")
PEOPLE = {"known": None, "new": None, "north": "north", "nothing": "north"}
HISTORY = (("known", "a", 1.0, "purchase", True, 1), ("known", "b", 1.0, "view", False, 1))
POPULAR = {None: {"e": 9.0, "d": 4.0, "a": 1.0}, "north": {"b": 9.0, "e": 2.0}}
KNOWN = trained(IDS, *HISTORY, users=PEOPLE, popular=POPULAR, blocked=["d"])
NEAR = {"near": RegionalSettings(prior=0.5)}
VECTORS = {
    "users": {"known": [1.0, 0.0]},
    "items": {"a": [5, 0], "b": [3, 0], "c": [1, 9], "d": [9, 9], "e": [-9, 0]},
}


def test_a_user_with_history_gets_the_weighted_sum_of_standard_scores():
    ranking = model(KNOWN, recipe(weights={"als": 1.0, "popular": 0.0}), **VECTORS)
    assert listed(ranking, "known", 9) == ["b", "c", "e"]  # a is seen, d is not on offer
    turned = model(KNOWN, recipe(weights={"als": 0.25, "popular": 1.0}), **VECTORS)
    assert listed(turned, "known", 9) == ["e", "b", "c"]
    found = ranker(turned, 3).rank(np.array([row(KNOWN, "known")]))
    factors = np.array([5, 3, 1, 9, -9])
    popular = np.log1p([1, 0, 0, 4, 9])
    expected = [
        weight * ((scores - scores.mean()) / scores.std())[[4, 1, 2]]
        for weight, scores in ((0.25, factors), (1.0, popular))
    ]
    np.testing.assert_allclose(found.parts[:2, 0], expected, rtol=1e-5)
    assert not found.parts[2:].any()  # neither trees nor rules
    assert (found.propensity == 1).all()
    np.testing.assert_allclose(found.scores[0], np.sum(expected, axis=0), rtol=1e-5)
    assert found.sources[0].tolist() == [1, 0, 0]  # e is popular; b and c are not


def test_a_user_without_history_gets_the_newcomers_source_alone():
    ranking = model(KNOWN, recipe(NEAR, newcomers="near"), **VECTORS)
    assert listed(ranking, "new", 9) == ["e", "a", "b", "c"]
    assert listed(ranking, "nothing", 9) == listed(ranking, "north", 9) == ["b", "e", "a", "c"]
    assert listed(ranking, KNOWN.stranger("north"), 9) == ["b", "e", "a", "c"]
    assert listed(ranking, KNOWN.stranger("moon"), 9) == ["e", "a", "b", "c"]
    places = np.array([row(KNOWN, "new"), row(KNOWN, "north"), KNOWN.stranger(None)])
    found = ranker(ranking, 4).rank(places)
    assert (found.sources == 2).all()  # also of items that are less popular than most
    assert not found.parts[[0, 1, 3, 4]].any()


def test_a_stranger_of_a_cohort_gets_its_order_where_that_serves_newcomers():
    likes = [("young", "c", 9.0, "purchase", True, 1), ("old", "a", 9.0, "purchase", True, 1)]
    known = trained(
        IDS,
        *likes,
        users={"young": "north", "old": None, "new": "north"},
        cohorts={"young": "18-24", "old": "65+", "new": "18-24"},
        popular=POPULAR,
        blocked=["d"],
    )
    sources = {**NEAR, "peers": CohortSettings(prior=0.5)}
    ranking = model(known, recipe(sources, newcomers="near"), items=VECTORS["items"])
    young, old = (known.stranger("north", each) for each in ("18-24", "65+"))
    assert listed(ranking, "new", 9) == ["b", "e", "a", "c"]
    served = model(known, recipe(sources, newcomers="peers"), items=VECTORS["items"])
    assert listed(served, "new", 9) == listed(served, young, 9) == ["c", "e", "a", "b"]
    assert listed(served, old, 9) == ["a", "e", "b", "c"]
    # Of whom no cohort is known, what is popular in the region.
    assert listed(served, known.stranger("north"), 9) == ["b", "e", "a", "c"]
    # A cohort's rules hold for its list, too.
    rules = {"cohorts": {"65+": {"block": {"items": ["e"]}}}}
    assert listed(served, old, 9, **rules) == ["a", "b", "c"]
    assert listed(served, young, 9, **rules) == ["c", "e", "a", "b"]


def test_probabilities_are_of_scores_before_rules_and_of_users_with_a_history():
    calibration = Calibration(kind="platt", slope=2.0, intercept=-1.0)
    ranking = model(KNOWN, recipe(weights={"popular": 0.0}, calibration=calibration), **VECTORS)
    places = np.array([row(KNOWN, "known"), row(KNOWN, "new")])
    plain = ranker(ranking, 3).rank(places)
    told = 1 / (1 + np.exp(1 - 2 * plain.scores[0]))
    np.testing.assert_allclose(plain.probability[0], told, rtol=1e-5)
    assert (np.diff(plain.probability[0]) <= 0).all()
    assert np.isnan(plain.probability[1]).all()
    pins = [{"item": "e", "position": 1}]
    pinned = ranker(ranking, 3, pins=pins).rank(places[:1])
    shown = {int(item): place for place, item in enumerate(plain.items[0])}
    for item, likely in zip(pinned.items[0], pinned.probability[0], strict=True):
        assert likely == plain.probability[0, shown[int(item)]]
    assert pinned.items[0, 0] == IDS.index("e")


def test_what_was_seen_comes_again_where_the_recipe_allows_it():
    ranking = model(KNOWN, recipe(weights={"popular": 0.0}, seen="allow"), **VECTORS)
    assert listed(ranking, "known", 9) == ["a", "b", "c", "e"]
    assert listed(ranking, "known", 2) == ["a", "b"]


def test_items_of_equal_scores_are_ordered_by_id():
    ranking = model(KNOWN, recipe(weights={"als": 1.0, "popular": 0.0}), users={}, items={})
    assert listed(ranking, "known", 9) == ["b", "c", "e"]
    popular = trained(IDS, *HISTORY, users=PEOPLE, popular={None: {"c": 1.0, "b": 1.0}})
    assert listed(model(popular, recipe()), "new", 5) == ["b", "c", "a", "d", "e"]


def test_a_list_beyond_the_catalogue_ends_early():
    found = ranker(model(KNOWN, recipe(), **VECTORS), 7).rank(np.array([row(KNOWN, "known")]))
    assert found.items.shape == found.scores.shape == (1, 7)
    assert found.parts.shape == (4, 1, 7)
    assert found.items[0, 3:].tolist() == [-1] * 4
    assert np.isneginf(found.scores[0, 3:]).all()
    assert not found.parts[:, 0, 3:].any()


def test_a_user_who_saw_everything_gets_an_empty_list():
    bought = [("sated", item, 1.0, "purchase", True, 1) for item in IDS]
    sated = trained(IDS, *bought, users={"sated": None}, popular=POPULAR)
    assert listed(model(sated, recipe()), "sated", 3) == []


def test_each_source_brings_at_least_a_whole_list():
    """`per_source` cannot make a list shorter than it must be."""
    narrow = model(KNOWN, recipe(per_source=1), **VECTORS)
    assert len(listed(narrow, "known", 3)) == 3
    assert len(listed(narrow, "new", 4)) == 4


def test_nobody_and_a_shop_with_nothing_on_offer_have_empty_lists():
    closed = trained(IDS, *HISTORY, users=PEOPLE, popular=POPULAR, blocked=IDS)
    under = ranker(model(closed, recipe(), **VECTORS), 3)
    found = under.rank(np.arange(6))
    assert (found.items == -1).all()
    assert found.parts.shape == (4, 6, 3)
    assert not found.parts.any()
    assert under.available(np.arange(6)).tolist() == [0] * 6
    assert under.rank(np.array([], dtype=np.int64)).items.shape == (0, 3)


def test_rules_arrange_and_say_what_they_added():
    """Hard rules keep out, a pin stands where it is put, and scores still add up."""
    rules = {
        "everywhere": {"block": {"items": ["e"]}},
        "pins": [{"item": "c", "position": 1}],
    }
    shop = model(KNOWN, recipe(NEAR, newcomers="near"), **VECTORS)
    assert listed(shop, "known", 9, **rules) == ["c", "b"]
    assert listed(shop, "new", 9, **rules) == ["c", "a", "b"]
    under = ranker(shop, 3, **rules)
    found = under.rank(np.array([row(KNOWN, "known"), row(KNOWN, "new")]))
    assert [under.source_names[place] for place in found.sources[:, 0]] == ["pin", "pin"]
    there = found.items >= 0
    np.testing.assert_allclose(found.parts.sum(axis=0)[there], found.scores[there], atol=1e-5)
    assert found.parts[-1, :, 0].all()  # what the pin was raised by
    assert under.available(np.array([row(KNOWN, "known"), row(KNOWN, "new")])).tolist() == [2, 3]


def test_age_limits_ask_for_the_age_that_a_user_has_reached_for_certain():
    ages = {"old": 18, "young": 16}
    people = dict.fromkeys(("old", "young", "unknown"))
    shop = model(trained(IDS, *HISTORY, users=people, popular=POPULAR, ages=ages), recipe())
    limit = {"group": {"items": ["c"]}, "from_years": 18}
    shown = {
        (name, unknown): "c"
        in listed(shop, name, 9, safety={"ages": [{**limit, "unknown": unknown}]})
        for name in people
        for unknown in (True, False)
    }
    assert {who for who, seen in shown.items() if seen} == {
        ("old", True),
        ("old", False),
        ("unknown", True),
    }


def test_an_item_that_a_floor_puts_in_and_no_source_brought_counts_as_popular():
    shop = model(KNOWN, recipe(per_source=1, weights={"als": 1.0, "popular": 0.5}), **VECTORS)
    person = np.array([row(KNOWN, "known")])
    for item in "bce":
        floors = [{"group": {"items": [item]}, "share": 1.0}]
        under = ranker(shop, 1, floors=floors)
        found = under.rank(person)
        assert found.items.tolist() == [[IDS.index(item)]]
        if not found.parts[:-1].any():  # it was no candidate: the rules alone put it there
            assert under.source_names[found.sources[0, 0]] == "popular"
            break
    else:
        raise AssertionError("every item was brought by a source")


def test_what_was_taken_comes_again_when_a_rule_says_so():
    ranking = model(KNOWN, recipe(weights={"popular": 0.0}), **VECTORS)
    soon, late = ({"repeat": {"purchase": {"after_days": days}}} for days in (1, 2))
    assert "a" in listed(ranking, "known", 9, **soon)
    assert "a" not in listed(ranking, "known", 9, **late)
    assert "b" in listed(ranking, "known", 9, **late)  # it was only looked at


def test_a_name_that_no_item_has_is_told_and_nothing_else():
    under = ranker(model(KNOWN, recipe(), **VECTORS), 3, pins=[{"item": "zz", "position": 1}])
    assert any("zz" in line for line in under.warnings)
    assert not ranker(model(KNOWN, recipe(), **VECTORS), 3).warnings


@st.composite
def models(draw: st.DrawFn) -> RankingModel:
    """Models with many ties: halves and small counts, which every engine adds up alike."""
    ids = [f"i{place:02}" for place in range(draw(st.integers(2, 12)))]
    users = {f"u{place}": draw(st.sampled_from(["n", "s", None])) for place in range(5)}
    touched = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(sorted(users)), st.sampled_from(ids)),
            st.tuples(st.sampled_from([0.0, 1.0, 2.0]), st.booleans(), st.integers(1, 30)),
        )
    )
    history = [
        (*pair, weight, "view", seen, days) for pair, (weight, seen, days) in touched.items()
    ]
    quarters = st.dictionaries(st.sampled_from(ids), st.sampled_from([0.25, 0.5, 1.0]))
    known = trained(
        ids,
        ("zz", ids[0], 1.0, "view", False, 1),
        *history,
        users=users,
        popular={segment: draw(quarters) for segment in (None, "n", "s")},
        blocked=draw(st.lists(st.sampled_from(ids))),
    )
    halves = st.lists(st.integers(-4, 4).map(lambda number: number / 2), min_size=2, max_size=2)
    weights = st.sampled_from([-0.5, 0.0, 0.5, 1.0])
    names = ("als", "popular", "near", "again")
    made_by = recipe(
        {"near": RegionalSettings(prior=1.0), "again": RepeatSettings(half_life_days=9.0)},
        {name: draw(weights) for name in names},
        seen=draw(st.sampled_from(["exclude", "allow"])),
        newcomers=draw(st.sampled_from(["popular", "near"])),
        per_source=draw(st.integers(1, 12)),
    )
    return model(
        known,
        made_by,
        users={user: draw(halves) for user in draw(st.sets(st.sampled_from(sorted(users))))},
        items={item: draw(halves) for item in draw(st.sets(st.sampled_from(ids), min_size=1))},
    )


@settings(max_examples=150, deadline=None)
@given(ranking=models(), n=st.integers(1, 14))
def test_lists_equal_the_oracle_and_keep_every_promise(ranking, n):
    known = ranking.trained_on
    rows = np.arange(known.data.weights.shape[0])
    under = ranker(ranking, n)
    found = under.rank(rows)
    available = under.available(rows)
    for user in rows:
        wanted = oracle(ranking, int(user), n=n)
        length = int((found.items[user] >= 0).sum())
        items = found.items[user, :length].tolist()
        open_ = set(np.flatnonzero(known.recommendable).tolist())
        if ranking.recipe.seen == "exclude":
            open_ -= set(known.seen[[user]].indices.tolist())
        assert available[user] == len(open_)
        assert length == len(set(items)) == min(n, len(open_))
        assert set(items) <= open_
        assert (found.items[user, length:] == -1).all()
        scores = found.scores[user, :length]
        order = list(zip((-scores).tolist(), items, strict=True))
        assert order == sorted(order)
        np.testing.assert_allclose(scores, found.parts[:, user, :length].sum(axis=0), atol=1e-5)
        parts = np.array([wanted[item] for item in items]).T.reshape(len(ranking.sources), length)
        np.testing.assert_allclose(found.parts[:-2, user, :length], parts, atol=2e-4)
        assert not found.parts[-2:, user].any()
        left_out = [sum(wanted[item]) for item in wanted if item not in items]
        assert max(left_out, default=-np.inf) <= scores.min(initial=np.inf) + 1e-3
        weights = ranking.recipe.weights
        weighed = [
            weights[name] != 0 if ranking.known[user] else name == ranking.recipe.newcomers
            for name in ranking.sources
        ]
        assert not any(weighed) or all(weighed[place] for place in found.sources[user, :length])


@settings(max_examples=40, deadline=None)
@given(ranking=models(), n=st.integers(1, 9), data=st.data())
def test_lists_do_not_depend_on_who_else_is_ranked(ranking, n, data):
    rows = np.arange(ranking.trained_on.data.weights.shape[0])
    chosen = np.array(data.draw(st.lists(st.sampled_from(rows.tolist()), min_size=1)))
    under = ranker(ranking, n)
    whole, some = under.rank(rows), under.rank(chosen)
    np.testing.assert_array_equal(some.items, whole.items[chosen])
    np.testing.assert_allclose(some.scores, whole.scores[chosen], atol=1e-5)

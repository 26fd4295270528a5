from __future__ import annotations

import json

import numpy as np
import pytest

from recsys_batch.config import GateSettings
from recsys_batch.errors import ConfigError, ContractError
from recsys_batch.evaluation.gate import Decision, decide
from recsys_batch.evaluation.scores import Scores

from .cases import make_lists, make_truth, score

USERS, ITEMS = 60, 6
TRUTH = make_truth([[user % ITEMS] for user in range(USERS)], ITEMS)


def model(hits: int, *, rank: int = 1, users: int = USERS) -> Scores:
    """Scores of lists that hold the one relevant item of the first `hits` users at `rank`."""
    rows = []
    for user in range(users):
        others = [item for item in range(ITEMS) if item != user % ITEMS][:3]
        rows.append([*others[: rank - 1], user % ITEMS, *others[rank - 1 :]][:3])
        if user >= hits:
            rows[-1] = others
    return score(make_lists(rows), TRUTH[:users])


def run(**given: object) -> Decision:
    popularity = model(20)
    return decide(
        **({"popularity": popularity, "champion": None, "settings": GateSettings()} | given)
    )


def rule(decision: Decision, name: str) -> tuple[bool, str]:
    return next((each.passed, each.reason) for each in decision.rules if each.name == name)


def test_a_better_challenger_passes_and_every_rule_reports() -> None:
    found = run(challenger=model(40), champion=model(38))
    assert found.passed
    assert [each.name for each in found.rules] == [
        "users",
        "popularity",
        "champion",
        "coverage",
        "lists",
    ]
    assert found.reasons[0] == (
        "60 hold-out users had something relevant, at least the 30 a verdict needs."
    )
    assert found.reasons[1].startswith(
        "NDCG@3 is 0.6667 against 0.3333 of popularity, a difference of +0.3333 (95 % interval +0."
    )
    assert found.reasons[1].endswith("shown); asked for: the mean not below it, which holds.")
    assert found.reasons[3] == (
        "100.00 % of 6 items stand in the first 3 of some list, at least the 1 % asked for."
    )
    assert found.reasons[4] == "All 60 lists are complete."
    assert json.loads(json.dumps(found.to_dict())) == {
        "passed": True,
        "reasons": list(found.reasons),
    }


def test_worse_than_popularity_is_refused() -> None:
    found = run(challenger=model(10))
    assert not found.passed
    passed, reason = rule(found, "popularity")
    assert not passed
    assert reason.endswith("which fails.")
    assert rule(found, "champion") == (True, "There is no champion to compare with.")


def test_equal_to_popularity_passes() -> None:
    passed, reason = rule(run(challenger=model(20)), "popularity")
    assert passed
    assert "the same for every user" in reason


@pytest.mark.parametrize(("hits", "passed"), [(40, True), (38, True), (37, False)])
def test_champion_may_be_missed_by_the_tolerated_share(hits: int, passed: bool) -> None:
    # 38 of 40 is 5 % less, which is allowed; 37 of 40 is 7.5 % less.
    found = run(challenger=model(hits), champion=model(40))
    assert rule(found, "champion")[0] is passed
    assert found.passed is passed


def test_interval_evidence_asks_for_more_than_the_mean() -> None:
    strict = GateSettings(evidence="interval")
    near, far = model(21), model(40)
    assert rule(run(challenger=near), "popularity")[0]
    passed, reason = rule(run(challenger=near, settings=strict), "popularity")
    assert passed  # one user more and nobody less: no resample has a mean below
    assert "within chance" in reason
    mixed = model(24, rank=2)  # four users more, but twenty with less
    assert not rule(run(challenger=mixed, settings=strict), "popularity")[0]
    assert rule(run(challenger=far, settings=strict), "popularity")[0]


@pytest.mark.parametrize(
    ("given", "passed", "words"),
    [
        ({}, True, "nothing is serving yet"),
        ({"champion": model(40, users=12)}, False, "new recipe would replace the champion"),
        ({"champion_recipe": "aa"}, True, "the champion has the same recipe"),
        ({"champion_recipe": "bb"}, False, "new recipe would replace the champion"),
    ],
)
def test_too_few_users(given: dict[str, object], passed: bool, words: str) -> None:
    found = decide(
        **(
            {
                "challenger": model(0, users=12),
                "popularity": model(12, users=12),
                "champion": None,
                "settings": GateSettings(),
                "challenger_recipe": "aa",
            }
            | given
        )
    )
    assert rule(found, "users")[0] is passed
    assert words in found.reasons[0]
    assert "Only 12 hold-out users" in found.reasons[0]
    # No verdict on quality is drawn from them, although popularity looks far better.
    assert rule(found, "popularity") == (
        True,
        "NDCG@3 was not held against popularity: too few hold-out users.",
    )
    assert found.passed is passed


def test_short_lists_and_coverage_hold_whatever_the_users() -> None:
    short = score(make_lists([[0, 1, 2]] * 11 + [[]]), TRUTH[:12])
    found = run(
        challenger=short,
        popularity=model(6, users=12),
        settings=GateSettings(min_coverage=0.6),
    )
    assert not found.passed
    assert rule(found, "coverage") == (
        False,
        "50.00 % of 6 items stand in the first 3 of some list, below the 60 % asked for.",
    )
    assert rule(found, "lists") == (
        False,
        "1 of 12 lists hold fewer items than they should, 1 of them none.",
    )


def test_same_recipe_is_stated() -> None:
    digest = "0123456789abcdef"
    given = {"challenger": model(40), "challenger_recipe": digest, "champion_recipe": digest}
    passed, reason = rule(run(**given), "champion")
    assert passed
    assert reason == (
        "The champion has the same recipe (0123456789ab), so only the data differ; "
        "it was not scored apart."
    )
    passed, reason = rule(run(**given, champion=model(60)), "champion")
    assert not passed  # scored, so its figures count
    assert reason.startswith("The champion has the same recipe (0123456789ab): NDCG@3 is 0.6667")


def test_a_champion_that_was_not_scored_keeps_serving() -> None:
    found = run(challenger=model(40), challenger_recipe="aa", champion_recipe="bb")
    assert not found.passed
    assert "(recipe bb) was not scored" in rule(found, "champion")[1]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"use one of .*ndcg"):
        run(challenger=model(40), settings=GateSettings(metric="nope"))
    with pytest.raises(ContractError, match="popularity differ in the users"):
        run(challenger=model(12, users=12))
    other = score(make_lists([[0, 1, 2]] * USERS), make_truth([[]] * USERS, ITEMS))
    with pytest.raises(ContractError, match="champion differ in the users"):
        run(challenger=model(40), champion=other)


def test_deciding_changes_nothing_and_repeats() -> None:
    challenger = model(40)
    before = {name: values.copy() for name, values in challenger.per_user.items()}
    assert run(challenger=challenger) == run(challenger=challenger)
    for name, values in challenger.per_user.items():
        np.testing.assert_array_equal(values, before[name])

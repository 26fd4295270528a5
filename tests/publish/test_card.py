"""The model card says what orders the lists, what a score means, and how far that is off."""

from __future__ import annotations

from typing import Any

import pytest

from recsys_batch.models.recipes import Recipe
from recsys_batch.models.sources import AlsSettings, PopularSettings
from recsys_batch.publish.card import model_card

TREES = {"model": "trees", "scale": 1.0, "depth": 100}


def card(**changed: Any) -> str:
    recipe = Recipe(
        interest_half_life_days=30,
        popularity_half_life_days=None,
        seen="exclude",
        sources={"als": AlsSettings(), "popular": PopularSettings()},
        weights={"als": 0.75, "popular": 0.25},
        **changed,
    )
    manifest = {
        "publication_id": "p1",
        "as_of": "2026-01-02",
        "rows": {"topn_user": 7},
        "events": 99,
        "events_digest": "0" * 64,
        "code_version": "c",
        "recipe": recipe.summary(),
    }
    figure = {"model": "lists", "metric": "ece", "value": 0.0123, "low": None, "high": None}
    return model_card(
        manifest,
        dataset="shop",
        recipe={
            "recipe_id": "r",
            "trials": 3,
            "seconds": 2.0,
            "until": "2026-01-01",
            "fit_day": "2026-01-01",
            "reasons": ["re-ranked, by the weights alone 0.1; LambdaRank 0.2: LambdaRank is taken"],
        },
        metrics=[{**figure, "users": 7}],
        segments=[],
        decision={"passed": True, "reasons": []},
        rules="1",
    )


@pytest.mark.parametrize(
    ("trees", "said"),
    [
        (None, "none, the weights order"),
        (TREES, "LambdaRank, added to the weighted sum"),
        (
            {**TREES, "name": "gradient boosting", "kind": "pointwise"},
            "gradient boosting, in the weighted sum's place",
        ),
    ],
)
def test_it_says_what_orders(trees, said):
    assert f"- Re-ranker: {said}.\n" in card(trees=trees)


def test_it_says_what_a_score_means_and_how_far_off_that_is():
    assert "- Scores before rules are no probabilities.\n" in card()
    told = card(calibration={"kind": "platt", "slope": 1.0})
    assert "- Scores before rules are calibrated (platt) to the probability that a user" in told
    assert "| model | ece |" in told
    assert "| lists | 0.0123 |" in told


def test_a_model_that_was_kept_is_told_from_one_of_the_day():
    assert "Fitted on the features of 2026-01-01; what came since is folded in." in card()

"""A recipe is known by its content, and names what every model needs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from recsys_batch.errors import LakeError
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.models.recipes import Recipe, run_recipe, stored_recipe
from recsys_batch.models.sources import AlsSettings, PopularSettings, RegionalSettings

PLAIN = {
    "interest_half_life_days": 90,
    "popularity_half_life_days": None,
    "seen": "exclude",
    "sources": {"als": AlsSettings(factors=5), "popular": PopularSettings()},
    "weights": {"als": 1.0, "popular": 0.25},
}


def recipe(**changed: object) -> Recipe:
    return Recipe.model_validate({**PLAIN, **changed})


def test_equal_recipes_have_equal_digests_and_any_change_another():
    one = recipe()
    assert one.digest() == recipe(interest_half_life_days=90.0).digest()
    others = [
        recipe(interest_half_life_days=None),
        recipe(popularity_half_life_days=14),
        recipe(seen="allow"),
        recipe(sources={**PLAIN["sources"], "als": AlsSettings(factors=5, seed=1)}),
        recipe(weights={"als": 1.0, "popular": 0.5}),
        recipe(newcomers="als"),
        recipe(per_source=151),
        recipe(calibration={"kind": "platt", "slope": 1.0}),
        recipe(trees={"model": "t", "scale": 1.0, "depth": 9}),
        recipe(trees={"model": "t", "scale": 1.0, "depth": 9, "kind": "pointwise"}),
    ]
    assert len({each.digest() for each in (one, *others)}) == 1 + len(others)


def test_a_recipe_comes_back_from_its_text_with_its_sources_kinds_and_order():
    sources = {
        "popular": PopularSettings(),
        "near": RegionalSettings(prior=3),
        "als": {"kind": "als"},
    }
    made = recipe(sources=sources, weights={"als": 1, "popular": 0.5, "near": 0}, newcomers="near")
    again = Recipe.model_validate_json(made.text())
    assert again == made
    assert isinstance(again.sources["near"], RegionalSettings)


def test_a_summary_names_trees_by_their_digest_and_a_calibration_by_its_kind():
    made = recipe(
        trees={"model": "text", "scale": 1.0, "depth": 9},
        calibration={"kind": "isotonic", "scores": [0, 1], "probabilities": [0.25, 0.5]},
    )
    found = made.summary()
    assert found["calibration"] == "isotonic"
    assert found["trees"]["kind"] == "lambdarank"
    assert len(found["trees"]["model"]) == 64
    assert recipe().summary()["calibration"] is None
    assert Recipe.model_validate_json(made.text()) == made


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"weights": {"als": 1.0}}, "sources and weights must name the same"),
        ({"calibration": {"kind": "isotonic"}}, "as many probabilities as scores"),
        (
            {"calibration": {"kind": "isotonic", "scores": [0, 1], "probabilities": [1, 0]}},
            "must not fall",
        ),
        ({"calibration": {"kind": "platt", "slope": -1.0}}, "greater than or equal to 0"),
        ({"weights": {"als": 1, "popular": 1, "x": 1}}, "sources and weights must name the same"),
        ({"sources": {"als": AlsSettings()}, "weights": {"als": 1}}, "a source 'popular'"),
        (
            {"sources": {"popular": PopularSettings()}, "weights": {"popular": 1}},
            "a source 'als'",
        ),
        ({"newcomers": "regional"}, "a source 'regional'"),
        ({"sources": {**PLAIN["sources"], "als": {"kind": "oracle"}}}, "oracle"),
        ({"seen": "auto"}, "seen"),
        ({"per_source": 0}, "per_source"),
        ({"interest_half_life_days": 0}, "interest_half_life_days"),
        ({"weights": {"als": float("nan"), "popular": 1}}, "finite"),
        ({"half_life": 3}, "half_life"),
    ],
)
def test_what_is_no_recipe_is_refused(changed, found):
    with pytest.raises(ValidationError, match=found):
        recipe(**changed)


def test_a_run_has_the_recipe_that_was_chosen_for_it_or_says_what_to_run(tmp_path):
    with pytest.raises(LakeError, match=r"no recipe was chosen for run r1; run `recsys-batch tune"):
        run_recipe(tmp_path, "r1")
    for run_id, made in (("r1", recipe()), ("r2", recipe(seen="allow"))):
        row = {
            "run_id": run_id,
            "recipe_id": "same",
            "until": None,
            "recipe": made.text(),
            "reasons": ["because"],
            "trials": 1,
            "seconds": 0.5,
        }
        replace_rows(tmp_path, "recipes", [row], run_id=run_id)
    assert run_recipe(tmp_path, "r1") == recipe()
    assert run_recipe(tmp_path, "r2").seen == "allow"


def test_a_model_has_the_recipe_that_it_was_made_by(tmp_path):
    assert stored_recipe(tmp_path, "r1") is None
    row = {"run_id": "r1", "recipe": recipe().text(), "model_version": "1", "mlflow_run": "x"}
    replace_rows(tmp_path, "models", [row], run_id="r1")
    assert stored_recipe(tmp_path, "r1") == recipe()
    assert stored_recipe(tmp_path, "r2") is None

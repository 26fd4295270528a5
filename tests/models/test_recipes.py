"""A recipe is known by its content."""

from __future__ import annotations

from recsys_batch.config import AlsSettings
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.models.recipes import recipe_digest, recipe_json, stored_recipe


def test_equal_settings_have_equal_digests_and_any_change_another():
    one = AlsSettings(factors=32, alpha=4)
    assert recipe_digest(one) == recipe_digest(AlsSettings(alpha=4.0, factors=32))
    others = {
        recipe_digest(one.model_copy(update={key: value}))
        for key, value in [("factors", 33), ("alpha", 4.5), ("seed", 1), ("iterations", 9)]
    }
    assert len(others | {recipe_digest(one)}) == 5


def test_a_stored_recipe_comes_back(tmp_path):
    assert stored_recipe(tmp_path, "r1") is None
    recipe = AlsSettings(factors=5, regularization=0.25)
    row = {"run_id": "r1", "recipe": recipe_json(recipe), "model_version": "1", "mlflow_run": "x"}
    replace_rows(tmp_path, "models", [row], run_id="r1")
    assert stored_recipe(tmp_path, "r1") == recipe
    assert stored_recipe(tmp_path, "r2") is None

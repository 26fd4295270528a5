"""Interactions to factors with their keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_batch.config import AlsSettings, FeatureSettings
from recsys_batch.models.training import fit_factors

RECIPE = AlsSettings(factors=3, iterations=4)
PAIRS = pa.table(
    {
        "user_key": ["v", "u", "u", "v", "w"],
        "item_id": ["b", "a", "b", "c", "c"],
        "weight": [1.0, 2.0, 1.0, 0.5, 1.0],
    }
)


def test_factors_carry_their_keys_in_order():
    fitted = fit_factors(PAIRS, recipe=RECIPE, limits=FeatureSettings())
    assert fitted.users.column_names == ["idx", "user_key", "factors"]
    assert fitted.users["user_key"].to_pylist() == ["u", "v", "w"]
    assert fitted.users["idx"].to_pylist() == [0, 1, 2]
    assert fitted.items["item_id"].to_pylist() == ["a", "b", "c"]
    assert fitted.items["factors"].type == pa.list_(pa.float32())
    assert {len(each) for each in fitted.items["factors"].to_pylist()} == {3}


def test_the_order_of_rows_changes_nothing():
    one = fit_factors(PAIRS, recipe=RECIPE, limits=FeatureSettings())
    other = fit_factors(
        PAIRS.take(np.array([4, 2, 0, 3, 1])), recipe=RECIPE, limits=FeatureSettings()
    )
    assert one == other


def test_limits_decide_who_gets_factors():
    fitted = fit_factors(PAIRS, recipe=RECIPE, limits=FeatureSettings(min_user_items=2))
    assert fitted.users["user_key"].to_pylist() == ["u", "v"]

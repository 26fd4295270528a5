"""scikit-learn's trees in LightGBM's text form: the same scores, whatever the trees' shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import Booster
from sklearn.ensemble import HistGradientBoostingClassifier

from recsys_batch.ranking.pointwise import model_text

NAMES = ["score of one", "log rank", "sources"]


def grown(seed: int, **shape: int) -> tuple[HistGradientBoostingClassifier, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((300, len(NAMES))).round(1).astype(np.float32)
    odds = 2 * features[:, 0] - features[:, 1] * features[:, 2]
    labels = rng.random(300) < 1 / (1 + np.exp(-odds))
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **shape)
    return trees.fit(features, labels), features


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    max_iter=st.integers(1, 8),
    max_leaf_nodes=st.integers(2, 9),
    min_samples_leaf=st.sampled_from([1, 20, 140]),
)
def test_the_text_scores_as_the_trees_do(seed, max_iter, max_leaf_nodes, min_samples_leaf):
    trees, features = grown(
        seed,
        max_iter=max_iter,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
    )
    read = Booster(model_str=model_text(trees, NAMES)).predict(features, raw_score=True)
    told = trees.decision_function(features) - trees._baseline_prediction.item()
    np.testing.assert_allclose(read, told, atol=1e-9)


def test_trees_without_a_split_score_nothing():
    trees, features = grown(1, max_iter=3, min_samples_leaf=299)
    read = Booster(model_str=model_text(trees, NAMES)).predict(features, raw_score=True)
    assert read == pytest.approx(np.zeros(300))

"""Pointwise gradient boosting (scikit-learn): how likely a candidate is wanted by itself.

The blend's score is one of the features, and the trees' log-odds take its place. They are kept in
LightGBM's text form, as those of LambdaRank are, so that one scorer serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.examples import Examples, Flat, flat
from recsys_batch.ranking.features import feature_names
from recsys_batch.ranking.reranker import Reranker, RerankerSettings

_UNWANTED = 30  # candidates of a user that nobody wanted, drawn at random, beside all wanted ones
_BINS = 63


def fit_pointwise(
    blend: Blend, examples: Sequence[Examples], settings: RerankerSettings
) -> Reranker:
    """Learn the log-odds of being wanted, from all wanted candidates and a draw of the others.

    The draw shifts all log-odds alike, so that it changes no order. Friedman, "Greedy Function
    Approximation: A Gradient Boosting Machine", Annals of Statistics 2001.

    Raises
    ------
    ContractError
        No user's best candidates hold a wanted and an unwanted one.
    """
    from lightgbm import Booster
    from sklearn.ensemble import HistGradientBoostingClassifier

    told = flat(examples)
    drawn = _drawn(told, np.random.default_rng(settings.seed))
    grown = HistGradientBoostingClassifier(
        max_iter=settings.trees,
        max_leaf_nodes=settings.leaves,
        learning_rate=min(1.0, 2 * settings.learning_rate),  # there is no start to stay close to
        min_samples_leaf=max(1, settings.min_leaf // 5),  # of a draw of the candidates
        max_features=settings.column_share,
        max_bins=_BINS,
        l2_regularization=settings.l2,
        early_stopping=False,
        random_state=settings.seed,
    )
    with threadpool_limits(limits=1, user_api="openmp"):  # equal bits on any number of cores
        grown.fit(told.features[drawn], told.labels[drawn])
    booster = Booster(model_str=model_text(grown, feature_names(blend.sources)))
    raw = np.asarray(booster.predict(told.features[drawn], raw_score=True, num_threads=1))
    deviation = max(float(told.start[drawn].std()), 1e-12)
    return Reranker(
        blend, booster, "pointwise", float(raw.std()) / deviation or 1.0, settings.depth
    )


def _drawn(told: Flat, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Rows of all wanted candidates, and of some others of each user."""
    luck = np.where(told.labels, -1.0, rng.random(len(told.labels)))
    users = np.repeat(np.arange(len(told.groups)), told.groups)
    order = np.lexsort((luck, users))
    ends = np.cumsum(told.groups)
    place = np.arange(len(order)) - np.repeat(ends - told.groups, told.groups)
    wanted = np.bincount(users, weights=told.labels, minlength=len(ends)).astype(np.int64)
    return np.sort(order[place < np.repeat(wanted + _UNWANTED, told.groups)])


def model_text(grown: Any, names: Sequence[str]) -> str:
    """A fitted HistGradientBoostingClassifier of two classes in LightGBM's text form.

    Raw scores are its log-odds less those of all examples. Features must not be missing or
    categories.
    """
    trees = [predictor.nodes for (predictor,) in grown._predictors]
    parts = [_tree_text(number, nodes) for number, nodes in enumerate(trees)]
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={len(names) - 1}",
        f"feature_names={' '.join(name.replace(' ', '_') for name in names)}",
        f"feature_infos={' '.join(['[-inf:inf]'] * len(names))}",
        f"tree_sizes={' '.join(str(len(part)) for part in parts)}",
    ]
    return "\n".join(head) + "\n\n" + "".join(parts) + "end of trees\n"


def _tree_text(number: int, nodes: npt.NDArray[Any]) -> str:
    leaf = nodes["is_leaf"].astype(bool)
    # Inner nodes and leaves are numbered apart; a child that is a leaf is told by its complement.
    place = np.where(leaf, -np.cumsum(leaf), np.cumsum(~leaf) - 1)
    inner, leaves = nodes[~leaf], nodes[leaf]
    fields: dict[str, Any] = {"num_leaves": [len(leaves)], "num_cat": [0]}
    if len(inner):
        fields |= {
            "split_feature": inner["feature_idx"],
            "split_gain": inner["gain"],
            "threshold": inner["num_threshold"],
            "decision_type": np.zeros(len(inner), dtype=np.int64),
            "left_child": place[inner["left"]],
            "right_child": place[inner["right"]],
        }
    fields |= {
        "leaf_value": leaves["value"],
        "leaf_count": leaves["count"],
        "internal_value": inner["value"],
        "internal_count": inner["count"],
        "is_linear": [0],
        "shrinkage": [1],
    }
    lines = [f"{name}={' '.join(str(each) for each in found)}" for name, found in fields.items()]
    return f"Tree={number}\n" + "\n".join(lines) + "\n\n\n"

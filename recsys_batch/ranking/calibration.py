"""From scores to probabilities, by what users of validations wanted of their lists.

The probability is that of a user who comes back: that, of all they act on in the days of the
hold-out, the item is a part. Either map never falls as scores rise, so that no order changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recsys_batch.models.recipes import Calibration

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_EDGE = 1e-6  # probabilities are kept this far from 0 and 1 where their logarithm is taken
_ROUNDS = 50
FEWEST = 30  # wanted candidates that are needed


@dataclass(frozen=True, eq=False)
class Scored:
    """Candidates by scores of a model that has not seen their users, in any order.

    Attributes
    ----------
    scores
        float64.
    hits
        bool: the user wanted it.
    users
        Number of the user, from 0.
    """

    scores: Doubles
    hits: Bools
    users: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A calibration and what was found of it.

    Attributes
    ----------
    calibration
        The map, fitted on all users.
    losses
        Mean logarithmic loss of each kind on the half of the users that it was not fitted on.
    base_loss
        That of one probability for all.
    """

    calibration: Calibration
    losses: dict[str, float]
    base_loss: float


def fit_calibration(scored: Scored, *, seed: int) -> Fitted | None:
    """Fit Platt's sigmoid or an isotonic regression, whichever serves other users better.

    Platt, "Probabilistic Outputs for Support Vector Machines", 1999; Zadrozny and Elkan,
    "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002. The
    users are dealt into halves; each kind is fitted on one and judged on the other, both ways.

    Returns
    -------
    Fitted
        None where fewer than `FEWEST` candidates were wanted, or not some in either half.
    """
    if int(scored.hits.sum()) < FEWEST:
        return None
    people = int(scored.users.max()) + 1
    half = (np.random.default_rng(seed).permutation(people) % 2)[scored.users]
    if not all(scored.hits[half == side].any() for side in (0, 1)):
        return None
    losses = dict.fromkeys(("platt", "isotonic"), 0.0)
    base = 0.0
    for side in (0, 1):
        learnt, judged = half == side, half != side
        hits = scored.hits[judged]
        for kind in losses:
            made = _fit(kind, scored.scores[learnt], scored.hits[learnt])
            losses[kind] += _loss(probabilities(made, scored.scores[judged]), hits)
        base += _loss(np.full(len(hits), scored.hits[learnt].mean()), hits)
    count = len(scored.hits)
    means = {kind: total / count for kind, total in losses.items()}
    kind = min(means, key=lambda each: means[each])
    return Fitted(_fit(kind, scored.scores, scored.hits), means, base / count)


def probabilities(calibration: Calibration, scores: npt.NDArray[np.floating]) -> Doubles:
    """The probability of each score; NaN for a score that is not finite."""
    told = np.asarray(scores, dtype=np.float64)
    there = np.isfinite(told)
    known = np.where(there, told, 0.0)
    if calibration.kind == "platt":
        found = expit(calibration.slope * known + calibration.intercept)
    else:
        found = np.interp(known, calibration.scores, calibration.probabilities)
    return np.where(there, found, np.nan)


def _fit(kind: str, scores: Doubles, hits: Bools) -> Calibration:
    return _isotonic(scores, hits) if kind == "isotonic" else _platt(scores, hits)


def _isotonic(scores: Doubles, hits: Bools) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(y_min=0.0, y_max=1.0).fit(scores, hits)
    return Calibration(
        kind="isotonic",
        scores=tuple(found.X_thresholds_.tolist()),
        probabilities=tuple(found.y_thresholds_.tolist()),
    )


def _platt(scores: Doubles, hits: Bools) -> Calibration:
    """Newton's method on the likelihood, towards targets that Platt draws in from 0 and 1."""
    wanted = int(hits.sum())
    target = np.where(hits, (wanted + 1) / (wanted + 2), 1 / (len(hits) - wanted + 2))
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    design = np.stack([(scores - middle) / spread, np.ones(len(scores))], axis=1)
    share = float(target.mean())
    found = np.array([0.0, np.log(share / (1 - share))])
    for _ in range(_ROUNDS):
        told = expit(design @ found)
        curvature = np.maximum(told * (1 - told), 1e-9)
        step = np.linalg.solve(
            design.T @ (design * curvature[:, None]) + 1e-9 * np.eye(2), design.T @ (target - told)
        )
        found = found + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    slope = float(found[0]) / spread
    if slope <= 0:  # scores tell nothing: one probability for all
        return Calibration(kind="platt", slope=0.0, intercept=float(np.log(share / (1 - share))))
    return Calibration(kind="platt", slope=slope, intercept=float(found[1]) - slope * middle)


def _loss(told: Doubles, hits: Bools) -> float:
    """Sum of the logarithmic losses."""
    kept = np.clip(told, _EDGE, 1 - _EDGE)
    return float(-np.log(np.where(hits, kept, 1 - kept)).sum())

"""How likely a position is looked at, from items that a user was shown at several of them.

The position-based model: P(click) = P(position is examined) * P(item is clicked once examined).
What the second factor is does not matter where the same user was shown the same item at several
positions, as of successive lists: intervention harvesting (Agarwal et al., "Estimating Position
Bias without Intrusive Interventions", WSDM 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.impressions import Impressions

Doubles = npt.NDArray[np.float64]
_ROUNDS = 500
_CLOSE = 1e-6


@dataclass(frozen=True, eq=False)
class Examination:
    """What was found of positions.

    Attributes
    ----------
    propensity
        float64, of position 1 and on: how likely it is looked at relative to the first, never
        rising; positions beyond the last have the last's.
    clicks
        Clicks that it was found by: on items that their user was shown at several positions.
    """

    propensity: Doubles
    clicks: int

    def at(self, positions: npt.NDArray[np.integer]) -> Doubles:
        """The propensity of some positions."""
        return np.asarray(self.propensity[np.minimum(positions, len(self.propensity)) - 1])


def examination(shown: Impressions) -> Examination:
    """Estimate how likely each position is looked at.

    The clicks of a pair of user and item at a position are Poisson with mean
    ``shown there * propensity of the position * appeal of the pair``; the likelihood is raised by
    turns over propensities and appeals, in which the number of pairs does no harm (Hausman, Hall
    and Griliches, Econometrica 1984). Propensities are then pooled until none rises with the
    position, each weighed by its clicks.

    Returns
    -------
    Examination
        All ones, by no clicks, where no pair tells anything.
    """
    depth = int(shown.positions.max(initial=1))
    keys = shown.users * (np.int64(shown.items.max(initial=0)) + 1) + shown.items
    _, pairs = np.unique(keys, return_inverse=True)
    cells = (pairs, shown.positions - 1)
    shape = (int(pairs.max(initial=-1)) + 1, depth)
    times = sparse.csr_matrix((np.ones(len(shown)), cells), shape=shape)
    clicks = sparse.csr_matrix((shown.clicked.astype(np.float64), cells), shape=shape)
    tells = (np.diff(times.indptr) > 1) & (np.asarray(clicks.sum(axis=1)).ravel() > 0)
    times, clicks = times[tells], clicks[tells]
    of_pair = np.asarray(clicks.sum(axis=1)).ravel()
    of_position = np.asarray(clicks.sum(axis=0)).ravel()
    known = np.asarray(times.sum(axis=0)).ravel() > 0
    if not known.any():
        return Examination(np.ones(depth), 0)
    propensity = known.astype(np.float64)
    for _ in range(_ROUNDS):
        before = propensity
        appeal = of_pair / np.maximum(np.asarray(times @ propensity), 1e-12)
        expected = np.asarray(times.T @ appeal)
        propensity = np.divide(of_position, expected, out=np.zeros(depth), where=known)
        propensity /= propensity.max()
        if np.abs(propensity - before).max() < _CLOSE:
            break
    return Examination(_never_rising(propensity, of_position, known), int(of_pair.sum()))


def _never_rising(propensity: Doubles, clicks: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    from sklearn.isotonic import IsotonicRegression

    places = np.arange(len(propensity))
    pooled = IsotonicRegression(increasing=False, out_of_bounds="clip")
    pooled.fit(places[known], propensity[known], sample_weight=1.0 + clicks[known])
    found = np.asarray(pooled.predict(places), dtype=np.float64)
    return np.asarray(found / found[0])

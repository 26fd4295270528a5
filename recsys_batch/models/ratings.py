"""Ratings predicted by factors, with weights that undo how the ratings came to be seen.

Schnabel, Swaminathan, Singh, Chandak, Joachims, "Recommendations as Treatments: Debiasing Learning
and Evaluation", ICML 2016: users choose what they rate, so that the mean error over ratings is not
the mean error over all pairs; weighing each rating by one over its propensity makes it so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources import SourceSettings

Numbers = npt.NDArray[np.float64]


class RatingSettings(SourceSettings):
    """Matrix factorisation with biases, by alternating least squares."""

    factors: int = Field(8, ge=0, le=512, description="Dimensions beside the biases.")
    regularization: float = Field(5.0, gt=0, description="L2 penalty of factors, in ratings.")
    bias_regularization: float = Field(5.0, gt=0, description="L2 penalty of biases, in ratings.")
    iterations: int = Field(15, ge=1, description="Sweeps over users and items.")
    seed: int = Field(1, ge=0, description="Seed of the initial item factors.")


@dataclass(frozen=True, eq=False)
class Ratings:
    """A fitted model: ``mean + user bias + item bias + user factors . item factors``.

    Attributes
    ----------
    mean
        Weighted mean of the ratings.
    users, items
        Bias, then factors, of each row: float64.
    """

    mean: float
    users: Numbers
    items: Numbers

    def predict(self) -> Numbers:
        """Expected rating of every pair, users x items."""
        biases = self.users[:, :1] + self.items[:, 0]
        return np.asarray(self.mean + biases + self.users[:, 1:] @ self.items[:, 1:].T)


def inverse_propensity_weights(
    propensities: Numbers, *, clip: float, power: float = 1.0
) -> Numbers:
    """One over each propensity, clipped and of mean 1.

    Parameters
    ----------
    propensities
        Probability with which each rating was seen, in (0, 1].
    clip
        Greatest ratio of a weight to the mean weight: less variance for some bias.
    power
        1 is the whole correction; 0 none.

    Raises
    ------
    InputDataError
        A propensity is not in (0, 1].
    """
    wrong = ~((propensities > 0) & (propensities <= 1))
    if wrong.any():
        raise InputDataError(
            f"a propensity of {propensities[wrong][0]}",
            where=f"rating {int(np.flatnonzero(wrong)[0])}",
            fix="give the probability with which each rating was seen",
        )
    weights = propensities**-power
    weights = np.minimum(weights, clip * weights.mean())
    return np.asarray(weights / weights.mean())


def fit_ratings(ratings: sparse.csr_matrix, weights: Numbers, settings: RatingSettings) -> Ratings:
    """Minimise the weighted squared error.

    Parameters
    ----------
    ratings
        Users x items; an entry is a rating.
    weights
        One a rating, in the order of ``ratings.data``; all ones trains without debiasing.
    """
    mean = float(np.average(ratings.data, weights=weights))
    error = sparse.csr_matrix(
        (ratings.data - mean, ratings.indices, ratings.indptr), shape=ratings.shape
    )
    weighed = sparse.csr_matrix((weights, ratings.indices, ratings.indptr), shape=ratings.shape)
    turned = error.T.tocsr(), weighed.T.tocsr()
    rng = np.random.default_rng(settings.seed)
    items = rng.normal(0.0, 0.1, (ratings.shape[1], settings.factors + 1))
    items[:, 0] = 0.0
    for _ in range(settings.iterations):
        users = _solve(error, weighed, items, settings)
        items = _solve(*turned, users, settings)
    return Ratings(mean, users, items)


def _solve(
    error: sparse.csr_matrix,
    weights: sparse.csr_matrix,
    others: Numbers,
    settings: RatingSettings,
) -> Numbers:
    """Best bias and factors of each row, given those of the columns."""
    penalty = np.full(others.shape[1], settings.regularization)
    penalty[0] = settings.bias_regularization
    solved = np.zeros((error.shape[0], others.shape[1]))
    for row in np.flatnonzero(np.diff(error.indptr)):
        own = slice(error.indptr[row], error.indptr[row + 1])
        near = others[error.indices[own]]
        design = np.column_stack([np.ones(len(near)), near[:, 1:]])
        weighed = design.T * weights.data[own]
        system = weighed @ design + np.diag(penalty)
        solved[row] = np.linalg.solve(system, weighed @ (error.data[own] - near[:, 0]))
    return solved

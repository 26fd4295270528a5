"""Bootstrap intervals over users: means, paired differences and ratios.

Users are drawn with replacement (Efron and Tibshirani 1993, chapter 13: percentile intervals).
Resamples are multinomial weights, a few rows of them at a time, so that a resample of all metrics
is one matrix product and memory does not grow with the number of resamples. Where all of them are
few rows, they are drawn once for all metrics of the same users.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from recsys_batch.errors import ContractError
from recsys_batch.evaluation.lists import Floats

_WEIGHTS = 1 << 21  # weights held at once, 16 MB


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval; all NaN where there is nothing to estimate."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Difference:
    """How one model differs from another on the same users.

    Attributes
    ----------
    difference
        Mean of (a - b), with its interval.
    ratio
        Mean of a over mean of b, with its interval; NaN or infinite where b is zero.
    p_value
        Two-sided: twice the smaller share of resamples on one side of zero.
    users
        Users with a value in both.
    """

    difference: Interval
    ratio: Interval
    p_value: float
    users: int

    @property
    def holds(self) -> bool:
        """Whether the whole interval of the difference lies above zero."""
        return self.difference.low > 0


def mean_intervals(
    values: Floats, *, resamples: int, confidence: float, seed: int
) -> list[Interval]:
    """Bootstrap the mean of each column.

    Parameters
    ----------
    values
        Users x metrics. NaN: the user does not count in that metric.
    resamples, confidence, seed
        Number of resamples, level of the interval (0.95), and seed of the draws.

    Returns
    -------
    list of Interval
        One a column. NaN where no user counts; the ends are NaN where only one does, since one
        user says nothing about spread.
    """
    counted = ~np.isnan(values)
    filled = np.where(counted, values, 0.0)
    sums, sizes = filled.sum(axis=0), counted.sum(axis=0)
    estimates = _divide(sums, sizes)
    if not len(values):
        return [Interval(np.nan, np.nan, np.nan) for _ in sums]
    drawn = _resample(np.hstack([filled, counted]), resamples=resamples, seed=seed)
    means = _divide(drawn[:, : len(sums)], drawn[:, len(sums) :])
    means[:, sizes < 2] = np.nan
    return [
        _interval(float(value), column, confidence=confidence)
        for value, column in zip(estimates, means.T, strict=True)
    ]


def paired(a: Floats, b: Floats, *, resamples: int, confidence: float, seed: int) -> Difference:
    """Compare two models user by user (paired bootstrap).

    Parameters
    ----------
    a, b
        A metric of each model for the same users in the same order. A user with NaN in either
        is left out.
    resamples, confidence, seed
        Number of resamples, level of the intervals, and seed of the draws.

    Raises
    ------
    ContractError
        The arrays differ in length.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ContractError(
            f"arrays of shape {a.shape} and {b.shape}",
            where="paired comparison",
            fix="evaluate both models on the same users in the same order",
        )
    both = ~(np.isnan(a) | np.isnan(b))
    left, right = a[both], b[both]
    nothing = Interval(np.nan, np.nan, np.nan)
    if not left.size:
        return Difference(nothing, nothing, np.nan, 0)
    apart = left - right
    drawn = _resample(np.column_stack([left, right, apart]), resamples=resamples, seed=seed)
    drawn /= left.size
    if left.size < 2:
        drawn[:] = np.nan
    difference = _interval(float(apart.mean()), drawn[:, 2], confidence=confidence)
    ratio = _interval(
        float(_divide(left.sum(), right.sum())),
        _divide(drawn[:, 0], drawn[:, 1]),
        confidence=confidence,
    )
    return Difference(difference, ratio, _p_value(drawn[:, 2]), int(left.size))


def _resample(columns: Floats, *, resamples: int, seed: int) -> Floats:
    """Sum `columns` over each resample of their rows: resamples x columns."""
    n = len(columns)
    values = np.ascontiguousarray(columns, dtype=np.float64)
    step = max(1, _WEIGHTS // n)
    if resamples <= step:
        return np.asarray(_weights_at_once(n, resamples, seed) @ values)
    rng = np.random.default_rng(seed)
    out = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, step):
        rows = range(start, min(start + step, resamples))
        out[start : rows.stop] = _weights(rng, n, len(rows)) @ values
    return out


@lru_cache(maxsize=4)
def _weights_at_once(n: int, resamples: int, seed: int) -> Floats:
    """Those of all resamples, which every metric of the same users is summed with."""
    return _weights(np.random.default_rng(seed), n, resamples)


def _weights(rng: np.random.Generator, n: int, resamples: int) -> Floats:
    """How often each of n users is in each of some resamples: resamples x n."""
    drawn = rng.integers(0, n, size=(resamples, n))
    drawn += np.arange(resamples)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=resamples * n).astype(float).reshape(resamples, n)


def _interval(value: float, drawn: Floats, *, confidence: float) -> Interval:
    finite = drawn[~np.isnan(drawn)]
    if not finite.size:
        return Interval(value, np.nan, np.nan)
    tail = (1.0 - confidence) / 2
    low = np.quantile(finite, tail, method="lower")
    high = np.quantile(finite, 1.0 - tail, method="higher")
    return Interval(value, float(low), float(high))


def _p_value(drawn: Floats) -> float:
    if np.isnan(drawn).any():
        return np.nan
    below, above = int((drawn <= 0).sum()), int((drawn >= 0).sum())
    return min(1.0, 2.0 * (min(below, above) + 1) / (len(drawn) + 1))


def _divide(a: Floats, b: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(a, b), dtype=np.float64)

"""Whether probabilities are what they say: expected calibration error."""

from __future__ import annotations

import numpy as np

from recsys_batch.evaluation.lists import Bools, Floats

BINS = 10


def expected_calibration_error(told: Floats, hits: Bools, *, bins: int = BINS) -> float:
    """Mean distance of probabilities from what came true, over bins of as many items each.

    ``sum over bins of size / all * |mean probability - share of hits|`` (Naeini, Cooper and
    Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015), with
    bins of equal mass, since most probabilities are small. Equal probabilities share a bin.

    Parameters
    ----------
    told
        Probabilities; NaN is left out.
    hits
        Whether it came true, of the same shape.

    Returns
    -------
    float
        NaN where there is nothing to judge by.
    """
    known = np.isfinite(told)
    found, true = told[known], hits[known]
    if not len(found):
        return float("nan")
    edges = np.quantile(found, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(edges, found, side="left")
    apart = np.bincount(place, weights=found - true, minlength=bins)
    return float(np.abs(apart).sum() / len(found))

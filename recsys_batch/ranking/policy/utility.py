"""What a candidate is worth: relevance less popularity, objectives blended in, repeats boosted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.policy.facts import Bools, Floats, ItemFacts
from recsys_batch.ranking.policy.repeats import Days, repeats
from recsys_batch.ranking.policy.settings import Policy

Doubles = npt.NDArray[np.float64]
_PLACE_BITS = np.uint64(32)
_PLACES = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(1 << 31)


def log_popularity(popularity: Floats) -> Doubles:
    """log2 of popularity shares; what nobody takes counts half of the least share above zero."""
    shares = popularity.astype(np.float64)
    least = shares[shares > 0].min(initial=1.0)
    logs: Doubles = np.log2(np.maximum(shares, least / 2))
    return logs


def objectives(policy: Policy, items: ItemFacts) -> tuple[list[tuple[float, Doubles]], list[str]]:
    """Objectives besides relevance: each one's weight in units of relevance's, and values by item.

    Values that are unknown are NaN. Also returned are warnings.
    """
    weights, found, warnings = policy.weights, [], []
    if weights.margin and items.margin is None:
        warnings.append("weights.margin: no item's margin is known")
    elif weights.margin and items.margin is not None:
        found.append((weights.margin, items.margin.astype(np.float64)))
    if weights.novelty:
        found.append((weights.novelty, -log_popularity(items.popularity)))
    if weights.freshness:
        ages = items.age_days.astype(np.float64)
        found.append((weights.freshness, 2.0 ** -(ages / weights.freshness_half_life_days)))
    return [(weight / weights.relevance, values) for weight, values in found], warnings


def utilities(
    policy: Policy,
    terms: list[tuple[float, Doubles]],
    logs: Doubles | None,
    items: npt.NDArray[np.int32],
    scores: Floats,
    usable: Bools,
    days: Days | None,
) -> Floats:
    """Worth of each candidate on the scale of its relevance; -inf where it is not usable.

    ``r - d b (x - mean x)``, with x log-popularity, b >= 0 the slope of relevance r over it and
    d `popularity_debias`; plus ``sigma * sum_o w_o / w_relevance * z_o`` over the objectives o in
    standard scores z, plus ``sigma * boost`` of repeats, sigma being the standard deviation of
    the first. Means and deviations are over the user's usable candidates; what is unknown
    counts as average.

    Parameters
    ----------
    terms, logs
        From `objectives` and `log_popularity`; None takes nothing off.
    """
    rows = np.maximum(items, 0)
    worth = np.where(usable, scores, np.float32(0)).astype(np.float64)
    if logs is not None:
        deviations, _ = _centred(logs[rows], usable)
        slope = _ratio((worth * deviations).sum(axis=1), (deviations**2).sum(axis=1))
        worth -= policy.popularity_debias * np.maximum(slope, 0.0)[:, None] * deviations
    _, sigma = _centred(worth, usable)
    sigma = np.where(sigma > 0, sigma, 1.0)[:, None]
    added = np.zeros(worth.shape)
    for weight, values in terms:
        deviations, spread = _centred(values[rows], usable)
        added += weight * _ratio(deviations, spread[:, None])
    for rule, taken in repeats(policy, days):
        if rule.boost:
            since = np.nan_to_num(taken - (rule.after_days or 0.0), nan=0.0)
            decay = 1.0 if rule.half_life_days is None else 2.0 ** -(since / rule.half_life_days)
            added += np.where(taken >= 0, rule.boost * decay, 0.0)
    return np.where(usable, worth + sigma * added, -np.inf).astype(np.float32)


def spreads(utility: Floats) -> tuple[Doubles, Doubles]:
    """Range and standard deviation of each user's utilities; 0 where there is none."""
    usable = np.isfinite(utility)
    _, deviation = _centred(np.where(usable, utility, 0.0).astype(np.float64), usable)
    top = utility.max(axis=1, initial=-np.inf, where=usable)
    low = utility.min(axis=1, initial=np.inf, where=usable)
    span = np.where(usable.any(axis=1), top.astype(np.float64) - low, 0.0)
    return span, deviation


def _centred(values: Doubles, usable: Bools) -> tuple[Doubles, Doubles]:
    """Values less the user's mean over what is usable and known, else 0; standard deviations."""
    known = usable & ~np.isnan(values)
    count = np.maximum(known.sum(axis=1), 1)
    mean = values.sum(axis=1, where=known) / count
    centred = np.where(known, values - mean[:, None], 0.0)
    deviation: Doubles = np.sqrt((centred**2).sum(axis=1) / count)
    return centred, deviation


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    ratio: Doubles = np.divide(
        above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0
    )
    return ratio


def best_places(utility: Floats, depth: int) -> npt.NDArray[np.int32]:
    """Places of the greatest values of each row, falling, ties by place: users x depth."""
    bits = (utility + np.float32(0)).view(np.uint32)  # 0 for -0
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    places = np.arange(utility.shape[1], dtype=np.uint64)
    keys = (~rising).astype(np.uint64) << _PLACE_BITS | places
    if 0 < depth < utility.shape[1]:
        keys = np.partition(keys, depth - 1, axis=1)[:, :depth]
    keys.sort(axis=1)
    return (keys & _PLACES).astype(np.int32)

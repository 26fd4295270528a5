"""What people want and what the logging policy shows: exact probabilities, for tests to compare.

The choice among items is a softmax (multinomial logit) of taste, popularity, season, trend, age
and region. A shown list has one pool of items for each slot, drawn anew for every slice of time;
each slot of a request takes one item of a pool, and pools go to slots in random order. So no list
repeats an item, and the probability that an item stands in a given slot is exact and the same for
every slot: its probability within its pool divided by the number of slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from recsys_batch.simulator.world import POOLS, Floats, Ints, World, stream

BUY_TASTE = 0.4  # log-odds of buying a viewed item per unit of taste
VIEW_TASTE = 0.6  # log-odds of opening a noticed item per unit of taste


@dataclass(frozen=True)
class Offer:
    """The catalogue of one slice of time.

    Attributes
    ----------
    items
        Item numbers on offer, pool after pool.
    starts
        First column of each pool in `items`; as many pools as a request has slots.
    popularity
        (items,) log-popularity now: own, season, trend and age.
    """

    items: Ints
    starts: Ints
    popularity: Floats

    @property
    def ends(self) -> Ints:
        """Column after the last of each pool."""
        return np.append(self.starts[1:], len(self.items))


def offer_at(world: World, hour: int) -> Offer:
    """The offer of the slice that begins `hour` hours after the first day's midnight."""
    settings, items = world.settings, world.items
    stays = (items.birth <= hour) & (items.death >= hour + settings.slice_hours)
    on_offer = np.flatnonzero(stays)
    on_offer = stream(settings, POOLS, hour).permutation(on_offer)
    pools = min(settings.slots, len(on_offer))
    starts = np.linspace(0, len(on_offer), pools, endpoint=False).astype(np.int64)
    day_of_year = (world.start + timedelta(hours=hour)).timetuple().tm_yday
    season = np.cos(2 * np.pi * day_of_year / 365.25 - world.season_phase)
    wave = np.sin(2 * np.pi * hour / 24 / items.period[on_offer] + items.phase[on_offer])
    age = (hour - items.birth[on_offer]) / (items.death - items.birth)[on_offer]
    popularity = (
        items.popularity[on_offer]
        + settings.season * season[items.category[on_offer]]
        + items.swing[on_offer] * wave
        - settings.ageing * age
    )
    return Offer(items=on_offer, starts=starts, popularity=popularity)


def taste(world: World, users: Ints, items: Ints) -> Floats:
    """True taste of pairs: log-odds, `ShopSettings.taste` times the factors' product."""
    pairs: Floats = np.einsum("nk,nk->n", world.users.factors[users], world.items.factors[items])
    return world.settings.taste * pairs


def choice(world: World, offer: Offer, users: Ints) -> Floats:
    """(users, offer) probability that a visitor who looks for something looks for this item."""
    logits = world.settings.taste * (
        world.users.factors[users] @ world.items.factors[offer.items].T
    )
    logits += world.region_shift[world.users.region[users]][:, world.items.category[offer.items]]
    logits += offer.popularity
    return _softmax(logits, np.zeros(1, dtype=np.int64))


def policy(world: World, offer: Offer, users: Ints) -> Floats:
    """(users, offer) probability that the logging policy picks the item from its pool.

    A mixture of a softmax of popularity, one of noisy taste and popularity, and an even draw.
    """
    settings = world.settings
    sizes = offer.ends - offer.starts
    popular = _softmax(offer.popularity[None, :].copy(), offer.starts)
    even = np.repeat(1 / sizes, sizes)
    personal = 1 - settings.policy_popularity - settings.policy_exploration
    logits = (0.6 * settings.taste) * (
        world.users.policy_factors[users] @ world.items.factors[offer.items].T
    )
    logits += offer.popularity
    mixture = _softmax(logits, offer.starts)
    mixture *= personal
    mixture += settings.policy_popularity * popular + settings.policy_exploration * even
    return mixture


def _softmax(logits: Floats, starts: Ints) -> Floats:
    """Softmax within each pool of columns, in place."""
    sizes = np.diff(np.append(starts, logits.shape[1]))
    np.exp(logits, out=logits)
    logits /= np.repeat(np.add.reduceat(logits, starts, axis=1), sizes, axis=1)
    return logits


def view_probability(world: World, users: Ints, items: Ints) -> Floats:
    """Probability of pairs that a noticed impression is opened."""
    rate = world.settings.view_rate
    return _logistic(np.log(rate / (1 - rate)) + VIEW_TASTE * taste(world, users, items))


def purchase_probability(world: World, users: Ints, items: Ints) -> Floats:
    """Probability of pairs that a view ends with a purchase of a wanted, not yet owned item."""
    rate = world.settings.purchase_rate
    return _logistic(np.log(rate / (1 - rate)) + BUY_TASTE * taste(world, users, items))


def _logistic(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def notice_probability(world: World, positions: NDArray[np.integer]) -> Floats:
    """Probability that the slot at each 1-based position is looked at (position bias)."""
    return np.asarray(positions, dtype=np.float64) ** -world.settings.position_bias


def expected_affinity(
    world: World, *, users: Sequence[int] | Ints, items: Sequence[int] | Ints, day: int
) -> Floats:
    """Probability that a person's search on a day finds the item and ends with its purchase.

    What the person owns already is left aside. Ranking by it is the oracle's ranking.

    Parameters
    ----------
    users, items
        User and item numbers (``7`` is ``u000007`` or ``i00007``).
    day
        Days after the first day; the offer is that of the day's first slice.

    Returns
    -------
    (users, items) probabilities; 0 for items not on offer then.
    """
    people, wanted = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    offer = offer_at(world, 24 * day)
    result = np.zeros((len(people), len(world.items)))
    result[:, offer.items] = choice(world, offer, people)
    result = result[:, wanted]
    grid = np.repeat(people, len(wanted)), np.tile(wanted, len(people))
    return result * purchase_probability(world, *grid).reshape(result.shape)


def slot_propensities(world: World, *, users: Sequence[int] | Ints, hour: int) -> Floats:
    """Probability that the logging policy shows an item in any one given slot.

    Parameters
    ----------
    users
        User numbers.
    hour
        Hours after the first day's midnight at which the slice begins (`ShopSettings.slice_hours`).

    Returns
    -------
    (users, all items) probabilities, 0 for items not on offer; each row sums to 1.
    """
    people = np.asarray(users, dtype=np.int64)
    offer = offer_at(world, hour)
    result = np.zeros((len(people), len(world.items)))
    result[:, offer.items] = policy(world, offer, people) / max(len(offer.starts), 1)
    return result

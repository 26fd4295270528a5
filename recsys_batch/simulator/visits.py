"""One slice of a day: who comes, what is shown, viewed, put into the cart and bought."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from recsys_batch.simulator.memory import Memory
from recsys_batch.simulator.sampling import draw
from recsys_batch.simulator.taste import (
    Offer,
    choice,
    notice_probability,
    offer_at,
    policy,
    purchase_probability,
    view_probability,
)
from recsys_batch.simulator.world import Bools, Floats, Ints, World

TYPES = ("impression", "view", "add_to_cart", "purchase")
IMPRESSION, VIEW, CART, PURCHASE = range(4)
SURFACES = ("home", "category", "search", "reorder")
HOME, BROWSE, SEARCH, REORDER = range(4)
DEVICES = ("mobile", "desktop", "tablet")
LONGEST = 1200  # seconds a visit may take


@dataclass(frozen=True)
class Visits:
    """Visits: person, second of the start since the first day's midnight, device, login."""

    user: Ints
    start: Ints
    device: Ints
    anonymous: Bools

    def __getitem__(self, rows: Ints | Bools) -> Visits:
        return Visits(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class Events:
    """Events as arrays; `visit` indexes `Visits`, -1 (or NaN) stands for an empty field."""

    visit: Ints
    item: Ints
    kind: Ints
    second: Ints
    request: Ints
    position: Ints
    propensity: Floats
    quantity: Ints
    surface: Ints

    def __len__(self) -> int:
        return len(self.visit)

    def __getitem__(self, rows: Ints | Bools) -> Events:
        return Events(*(getattr(self, each.name)[rows] for each in fields(self)))


def concatenate(parts: list[Events]) -> Events:
    """All events of the parts, in their order."""
    return Events(
        *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Events))
    )


def simulate_slice(
    world: World, memory: Memory, rng: np.random.Generator, *, hour: int, visits: Visits
) -> Events:
    """Events of the visits that start in the slice; purchases are added to `memory`."""
    offer = offer_at(world, hour)
    if not len(offer.items) or not len(visits.user):
        return _found(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), visits, SEARCH)
    shown = _impressions(world, offer, rng, visits)
    noticed = notice_probability(world, shown.position)
    liked = view_probability(world, visits.user[shown.visit], shown.item)
    opened = shown[rng.random(len(shown)) < noticed * liked]
    wait = 2 * opened.position + rng.integers(3, 40, len(opened))
    views = concatenate([_next(opened, VIEW, wait, visits), _searches(world, offer, rng, visits)])
    carts, bought = _funnel(world, memory, rng, views, visits)
    again = _reorders(memory, offer, rng, visits)
    bought = _once(concatenate([bought, again]), visits, len(world.items))
    bought = replace(bought, quantity=1 + rng.poisson(0.25, len(bought)))
    memory.remember(
        visits.user[bought.visit], bought.item, bought.second / 86400, rng.random(len(bought))
    )
    return concatenate([shown, views, carts, bought])


def _impressions(world: World, offer: Offer, rng: np.random.Generator, visits: Visits) -> Events:
    mean, slots = world.settings.requests_per_session, len(offer.starts)
    count = rng.poisson(max(mean - 1, 0), len(visits.user)) + (rng.random(len(visits.user)) < mean)
    visit = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(visit)) - np.repeat(np.cumsum(count) - count, count)
    start = visits.start[visit] + np.minimum(150 * nth + rng.integers(0, 60, len(visit)), 600)
    pools = np.argsort(rng.random((len(visit), slots)), axis=1).ravel()
    column, chance = draw(
        lambda users: policy(world, offer, users),
        starts=offer.starts,
        columns=len(offer.items),
        users=np.repeat(visits.user[visit], slots),
        pools=pools,
        uniforms=rng.random(len(pools)),
    )
    return Events(
        visit=np.repeat(visit, slots),
        item=offer.items[column],
        kind=np.full(len(pools), IMPRESSION),
        second=np.repeat(start, slots),
        request=np.repeat(np.arange(len(visit)), slots),
        position=np.tile(np.arange(1, slots + 1), len(visit)),
        propensity=chance / slots,
        quantity=np.full(len(pools), -1),
        surface=np.repeat(np.where(nth == 0, HOME, BROWSE), slots),
    )


def _searches(world: World, offer: Offer, rng: np.random.Generator, visits: Visits) -> Events:
    """Items that people find by themselves, by their true tastes."""
    count = rng.poisson(world.settings.direct_views_per_session, len(visits.user))
    visit = np.repeat(np.arange(len(count)), count)
    column, _ = draw(
        lambda users: choice(world, offer, users),
        starts=np.zeros(1, dtype=np.int64),
        columns=len(offer.items),
        users=visits.user[visit],
        pools=np.zeros(len(visit), dtype=np.int64),
        uniforms=rng.random(len(visit)),
    )
    found = _found(visit, offer.items[column], visits, SEARCH)
    return _next(found, VIEW, rng.integers(5, 800, len(visit)), visits)


def _found(visit: Ints, item: Ints, visits: Visits, surface: int) -> Events:
    """Events outside any request."""
    nothing = np.full(len(visit), -1)
    return Events(
        visit=visit,
        item=item,
        kind=np.full(len(visit), VIEW),
        second=visits.start[visit],
        request=nothing,
        position=nothing,
        propensity=np.full(len(visit), np.nan),
        quantity=nothing,
        surface=np.full(len(visit), surface),
    )


def _next(events: Events, kind: int, wait: Ints, visits: Visits) -> Events:
    """What follows from `events` some seconds later, within the visit."""
    second = np.minimum(events.second + wait, visits.start[events.visit] + LONGEST - 1)
    return replace(
        events,
        kind=np.full(len(events), kind),
        second=second,
        propensity=np.full(len(events), np.nan),
    )


def _funnel(
    world: World, memory: Memory, rng: np.random.Generator, views: Events, visits: Visits
) -> tuple[Events, Events]:
    users = visits.user[views.visit]
    chance = purchase_probability(world, users, views.item)
    chance *= memory.need(users, views.item, views.second / 86400)
    luck = rng.random(len(views))
    carts = views[luck < 1.3 * chance]
    carts = _next(carts, CART, rng.integers(5, 90, len(carts)), visits)
    bought = carts[luck[luck < 1.3 * chance] < chance[luck < 1.3 * chance]]
    wait = rng.integers(20, 240, len(bought))
    return carts, _next(bought, PURCHASE, wait, visits)


def _reorders(memory: Memory, offer: Offer, rng: np.random.Generator, visits: Visits) -> Events:
    """Regular items of the visitors that are due again and still on offer."""
    visit, item, due = memory.regulars(visits.user, visits.start / 86400)
    take = (rng.random(len(visit)) < due) & np.isin(item, offer.items)
    found = _found(visit[take], item[take], visits, REORDER)
    return _next(found, PURCHASE, rng.integers(10, 300, len(found)), visits)


def _once(bought: Events, visits: Visits, items: int) -> Events:
    """The first purchase of an item by a person; nobody buys it twice in one slice."""
    order = np.argsort(bought.second, kind="stable")
    keys = (visits.user[bought.visit] * items + bought.item)[order]
    return bought[np.sort(order[np.unique(keys, return_index=True)[1]])]

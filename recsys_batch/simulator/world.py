"""The shop's truth: people with tastes, items with factors, lives and prices.

Every attribute is drawn from a stream named by seed, purpose and month of arrival, so the people
and items of a day are the same however many days are simulated after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from recsys_batch.simulator.settings import MONTH_DAYS, ShopSettings
from recsys_batch.simulator.words import category_names, titles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

USER_ID = "user_id"  # the raw id, which only landing files and the truth have

# Purposes of random streams; the numbers are part of what makes files reproducible.
_SHOP, _USERS, _ITEMS, POOLS, DAY, DELIVERY, PROFILES = range(7)

FAMILIARITY = 0.75  # share of an item's factor that its category explains
REGION_SHIFT = 0.4  # spread of a category's log-popularity between regions
WHIM = 0.35  # part of a person's taste that no category explains
POLICY_NOISE = 0.7  # error of the tastes that the logging policy believes in


def stream(settings: ShopSettings, purpose: int, number: int = 0) -> np.random.Generator:
    """Random numbers of one purpose and one month, day or slice."""
    return np.random.default_rng([settings.seed, purpose, number])


@dataclass(frozen=True)
class Users:
    """People, in order of arrival; all arrays have one entry (row) a person.

    Attributes
    ----------
    arrival
        Day of arrival, 0 for the first simulated day and those who came before.
    activity
        Visits relative to the mean of 1.
    region, device
        Region number, and the device most used (a number of `DEVICES`).
    consent
        Whether the person's events may train a model.
    factors, policy_factors
        Unit rows: the true taste, and what the logging policy takes for it.
    """

    arrival: Ints
    activity: Floats
    region: Ints
    device: Ints
    consent: Bools
    factors: Floats
    policy_factors: Floats

    def __len__(self) -> int:
        return len(self.arrival)

    @cached_property
    def ids(self) -> list[str]:
        """Raw ids as they land."""
        return [f"u{each:06d}" for each in range(len(self))]


@dataclass(frozen=True)
class Items:
    """Items, in order of arrival; all arrays have one entry (row) an item.

    Attributes
    ----------
    birth, death
        Hours from the first day's midnight between which the item is on offer.
    category, price
        Category number; price in the shop's currency.
    popularity
        Log-popularity of a new item without season and trend.
    swing, period, phase
        Height, days and start (radians) of the item's own trend.
    factors
        Rows of norm about 1.
    text
        Titles.
    """

    birth: Floats
    death: Floats
    category: Ints
    price: Floats
    popularity: Floats
    swing: Floats
    period: Floats
    phase: Floats
    factors: Floats
    text: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.birth)

    @cached_property
    def ids(self) -> list[str]:
        """Raw ids as they land."""
        return [f"i{each:05d}" for each in range(len(self))]


@dataclass(frozen=True)
class World:
    """All that is true of a shop before anybody visits it.

    Attributes
    ----------
    season_phase
        Day of the year (radians) on which each category sells best.
    region_shift
        (regions, categories) log-popularity of a category in a region.
    """

    settings: ShopSettings
    categories: tuple[str, ...]
    season_phase: Floats
    region_shift: Floats
    users: Users
    items: Items

    @property
    def start(self) -> datetime:
        """Midnight (UTC) of the first day."""
        return datetime.combine(self.settings.first_day, datetime.min.time(), tzinfo=UTC)


def build_world(settings: ShopSettings) -> World:
    """Draw the shop that `settings` name: its tastes, people and catalogue."""
    rng = stream(settings, _SHOP)
    centres = _unit(rng.standard_normal((settings.categories, settings.factors)))
    sizes = rng.dirichlet(np.full(settings.categories, 5.0))
    season_phase = rng.uniform(0, 2 * np.pi, settings.categories)
    shift = rng.normal(0, REGION_SHIFT, (len(settings.regions), settings.categories))
    months = range(ceil(settings.days / MONTH_DAYS))
    return World(
        settings=settings,
        categories=category_names(settings.theme, settings.categories),
        season_phase=season_phase,
        region_shift=shift,
        users=_users(settings, centres, months),
        items=_items(settings, centres, sizes, months),
    )


def _unit(rows: Floats) -> Floats:
    lengths: Floats = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def _newcomers(total: int, share: float, month: int) -> tuple[int, int]:
    """How many were there before (0 after the first month), and how many arrive in it."""
    new = round(total * share)
    return (total - new if month == 0 else 0), new


def _users(settings: ShopSettings, centres: Floats, months: range) -> Users:
    parts: list[tuple[NDArray[np.generic], ...]] = []
    people = 1 / np.arange(1, len(settings.regions) + 1)
    for month in months:
        rng = stream(settings, _USERS, month)
        old, new = _newcomers(settings.users, settings.new_user_share, month)
        arrivals = np.sort(rng.integers(0, MONTH_DAYS, new)) + month * MONTH_DAYS
        count = old + new
        liked = rng.dirichlet(np.full(len(centres), 0.12), count) @ centres
        factors = _unit(_unit(liked + 1e-9) + rng.normal(0, WHIM, liked.shape) / _root(centres))
        guess = factors + rng.normal(0, POLICY_NOISE, liked.shape) / _root(centres)
        parts.append(
            (
                np.concatenate([np.zeros(old, dtype=np.int64), arrivals]),
                rng.gamma(2.0, 0.5, count),
                rng.choice(len(people), count, p=people / people.sum()),
                rng.choice(3, count, p=[0.55, 0.35, 0.1]),
                rng.random(count) >= settings.no_consent_share,
                factors,
                _unit(guess),
            )
        )
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    known = columns[0] < settings.days
    return Users(*(each[known] for each in columns))


def _root(centres: Floats) -> float:
    return float(np.sqrt(centres.shape[1]))


def _items(settings: ShopSettings, centres: Floats, sizes: Floats, months: range) -> Items:
    parts: list[tuple[NDArray[np.generic], ...]] = []
    for month in months:
        rng = stream(settings, _ITEMS, month)
        old, new = _newcomers(settings.items, settings.new_item_share, month)
        count = old + new
        life = 24 * settings.item_lifetime_days * np.exp(rng.normal(0, 0.4, count))
        life[:old] = life[:old][np.argsort(age := -rng.random(old) * life[:old])]
        before = np.sort(age)
        after = np.sort(rng.uniform(0, 24 * MONTH_DAYS, new)) + 24 * MONTH_DAYS * month
        step = settings.slice_hours
        birth = np.ceil(np.concatenate([before, after]) / step) * step
        birth[:old] = np.minimum(birth[:old], 0)
        category = rng.choice(len(centres), count, p=sizes)
        own = rng.normal(0, 1, (count, settings.factors)) / _root(centres)
        parts.append(
            (
                birth,
                birth + np.maximum(np.ceil(life / step), 1) * step,
                category,
                np.round(np.exp(rng.normal(2.3, 0.7, count)) * (1 + category % 5), 2),
                settings.tail * rng.exponential(1.0, count),
                rng.normal(0, settings.trend, count),
                rng.uniform(60, 240, count),
                rng.uniform(0, 2 * np.pi, count),
                np.sqrt(FAMILIARITY) * centres[category] + np.sqrt(1 - FAMILIARITY) * own,
                np.array(titles(settings.theme, category, rng), dtype=np.str_),
            )
        )
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    known = columns[0] < 24 * settings.days
    return Items(*(each[known] for each in columns))

"""Small logs whose right recipe is known, and short searches of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recsys_batch.config import Settings, load_settings
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.recipes import Choice, choose_recipe

Act = tuple[int, int, int]  # user, item, day; each weighs one, is relevant and makes seen
START = dt.date(1970, 1, 1)


def log_of(
    acts: Iterable[Act],
    *,
    users: int,
    items: int,
    first_days: Mapping[int, int] | None = None,
    **changed: Any,
) -> Log:
    """A log of plain acts; items are known from the first act, or from the day given."""
    columns = np.array(list(acts), dtype=np.int32).reshape(-1, 3).T
    first = np.full(items, 2**31 - 1, dtype=np.int32)
    np.minimum.at(first, columns[1], columns[2])
    for item, day in (first_days or {}).items():
        first[item] = day
    made = {
        "users": columns[0],
        "items": columns[1],
        "days": columns[2],
        "weights": np.ones(len(columns[0]), dtype=np.float32),
        "relevant": np.ones(len(columns[0]), dtype=bool),
        "seen": np.ones(len(columns[0]), dtype=bool),
        "n_users": users,
        "first_days": first,
        "texts": None,
        "regions": np.full(users, -1, dtype=np.int32),
        "n_regions": 0,
        "cohorts": np.full(users, -1, dtype=np.int32),
        "n_cohorts": 0,
    }
    return Log(**{**made, **changed})


def groceries() -> Log:
    """50 users over six weeks, who take the same three things again every few days."""
    rng = np.random.default_rng(1)
    acts = [
        (user, item, day)
        for user in range(50)
        for item in rng.choice(40, size=3, replace=False)
        for day in range(int(rng.integers(3)), 42, 3)
    ]
    return log_of(acts, users=50, items=40)


def films() -> Log:
    """60 users of three tastes over ten weeks, who see a film a few days and none twice."""
    rng = np.random.default_rng(2)
    acts = [
        (user, int(item) * 3 + user % 3, int(day))
        for user in range(60)
        for item, day in zip(
            rng.permutation(30)[:24], np.sort(rng.integers(0, 70, 24)), strict=True
        )
    ]
    return log_of(acts, users=60, items=90, first_days=dict.fromkeys(range(90), 0))


def news() -> Log:
    """60 users over 16 days: six stories a day, read on that day and more on the next, by few."""
    rng = np.random.default_rng(3)
    liked = np.arange(6, 0, -1) / 21
    acts = [
        (user, born * 6 + int(story), day)
        for day in range(16)
        for user in range(60)
        for born, reads in ((day, 1), (day - 1, 2))
        for story in rng.choice(6, size=reads, replace=False, p=liked)
        if born >= 0
    ]
    return log_of(acts, users=60, items=96)


def settings(**overrides: Any) -> Settings:
    """Settings of the sample shop, with a small search that time does not stop; __ is a dot."""
    given = {"tuning.max_users": 50, "tuning.max_seconds": 3600, "model.rerank": False}
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return load_settings("sample", overrides={**given, **dotted})


def choose(log: Log, until: int, **overrides: Any) -> Choice:
    """The recipe of a log whose days are counted from `START`."""
    return choose_recipe(
        lambda: log,
        until=START + dt.timedelta(days=until),
        settings=settings(**overrides),
        say=lambda _line: None,
    )

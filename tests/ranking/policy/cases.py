"""Catalogues, users and rules for the tests, and a slow reading of the hard rules."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from recsys_batch.ranking.policy import Arranged, ItemFacts, Policy, UserFacts
from recsys_batch.ranking.policy.compile import compile_policy

DAY = dt.date(2026, 1, 30)
CATEGORIES = ("books", "films", "wine")


def policy(**rules: Any) -> Policy:
    return Policy.model_validate({"version": "1", **rules})


def item_facts(size: int, **columns: Any) -> ItemFacts:
    """Items i0, i1, ... of unknown category, at 10 a piece, 100 days old, equally popular."""
    facts = ItemFacts(
        ids=[f"i{row}" for row in range(size)],
        recommendable=np.ones(size, dtype=bool),
        categories=np.full(size, -1, dtype=np.int32),
        category_names=CATEGORIES,
        prices=np.full(size, 10.0),
        age_days=np.full(size, 100.0, dtype=np.float32),
        popularity=np.ones(size, dtype=np.float32),
    )
    dtypes = {"categories": np.int32, "prices": np.float64, "recommendable": bool}
    made = {
        name: np.asarray(values, dtype=dtypes.get(name, bool if name == "available" else "f4"))
        if name != "tags"
        else pa.array(values, pa.list_(pa.string()))
        for name, values in columns.items()
    }
    return dataclasses.replace(facts, **made)


def arranged(
    rules: Policy,
    items: ItemFacts,
    scores: Any,
    *,
    n: int,
    candidates: Any = None,
    users: UserFacts | None = None,
    run_id: str = "run",
    fill: Any = (),
    **more: Any,
) -> Arranged:
    """Lists of users whose candidates are, unless given, the first items in order."""
    scores = np.atleast_2d(np.asarray(scores, dtype=np.float32))
    if candidates is None:
        candidates = np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    if users is None:
        users = some_users(len(scores))
    compiled = compile_policy(rules, items, as_of=DAY)
    return compiled.arrange(
        np.atleast_2d(np.asarray(candidates, dtype=np.int32)),
        scores,
        users,
        n=n,
        run_id=run_id,
        fill=np.asarray(fill, dtype=np.int32),
        **more,
    )


def some_users(count: int, **columns: Any) -> UserFacts:
    return UserFacts(
        keys=[f"u{user}" for user in range(count)],
        **{"regions": [None] * count, **columns},
    )


def reads(group: dict[str, Any], items: ItemFacts, row: int) -> bool:
    """Whether an item belongs to a group, read off the rule."""
    if not group:
        return False
    code = items.categories[row]
    tags = items.tags[row].as_py() if items.tags is not None else []
    named = [
        items.ids[row] in group.get("items", ()),
        code >= 0 and items.category_names[code] in group.get("categories", ()),
        any(tag in group.get("tags", ()) for tag in tags),
    ]
    if any(key in group for key in ("items", "categories", "tags")) and not any(named):
        return False
    return (
        ("newer_than_days" not in group or items.age_days[row] < group["newer_than_days"])
        and ("less_popular_than" not in group or items.popularity[row] < group["less_popular_than"])
        and ("dearer_than" not in group or items.prices[row] > group["dearer_than"])
    )


def within(value: float, limit: dict[str, Any] | None) -> bool:
    if limit is None:
        return True
    if np.isnan(value):
        return bool(limit.get("unknown", False))
    return limit.get("least", -np.inf) <= value <= limit.get("most", np.inf)


def lets_through(scope: dict[str, Any], items: ItemFacts, row: int) -> bool:
    return (
        not reads(scope.get("block", {}), items, row)
        and ("allow" not in scope or reads(scope["allow"], items, row))
        and within(items.prices[row], scope.get("price"))
        and within(items.age_days[row], scope.get("item_age_days"))
    )


def may_see(
    rules: dict[str, Any],
    items: ItemFacts,
    users: UserFacts,
    user: int,
    row: int,
    exclude: sparse.csr_matrix | None = None,
) -> bool:
    """Whether a user may be shown an item, read off the rules one by one."""
    safety = rules.get("safety", {})
    age = users.age_years[user] if users.age_years is not None else np.nan
    for limit in safety.get("ages", ()):
        if reads(limit["group"], items, row):
            young = not limit.get("unknown", False) if np.isnan(age) else age < limit["from_years"]
            if young:
                return False
    scopes = [
        rules.get("everywhere", {}),
        rules.get("regions", {}).get(users.regions[user], {}),
        rules.get("cohorts", {}).get(users.cohorts[user], {}) if users.cohorts else {},
        rules.get("users", {}).get(users.keys[user], {}),
    ]
    return bool(
        items.recommendable[row]
        and (items.available is None or items.available[row])
        and not reads(safety.get("block", {}), items, row)
        and all(lets_through(scope, items, row) for scope in scopes)
        and (exclude is None or exclude[user, row] == 0)
    )

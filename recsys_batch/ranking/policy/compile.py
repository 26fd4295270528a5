"""Rules resolved against the items of a run: masks and row numbers, ready for blocks of users."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.policy.arrange import arrange
from recsys_batch.ranking.policy.facts import Arranged, Bools, Floats, ItemFacts, Rows, UserFacts
from recsys_batch.ranking.policy.masks import Resolver
from recsys_batch.ranking.policy.pairs import joined, nothing
from recsys_batch.ranking.policy.plan import Plan, make_plan
from recsys_batch.ranking.policy.repeats import Days, too_soon_pairs
from recsys_batch.ranking.policy.settings import AgeLimit, Policy, Scope


@dataclass(frozen=True, eq=False)
class CompiledPolicy:
    """The rules of a run, made once a worker by `compile_policy`; arrays only, so it pickles.

    Attributes
    ----------
    policy
        The rules.
    as_of
        The logical day that they are applied on.
    items
        The items.
    masks
        bool, (1 + regions) x items: allowed by the rules for everybody, then by those and the
        rules of each region that has some.
    region_masks
        Row of `masks` of each such region.
    cohort_rows, user_rows
        Item rows that the rules of a cohort or of a user keep out, ascending.
    age_rows
        Item rows that an age limit keeps from young users, ascending.
    plan
        Rules that arrange lists, resolved.
    warnings
        Sentences on what the rules name in vain.
    """

    policy: Policy
    as_of: dt.date
    items: ItemFacts
    masks: Bools
    region_masks: dict[str, int]
    cohort_rows: dict[str, Rows]
    user_rows: dict[str, Rows]
    age_rows: tuple[tuple[AgeLimit, Rows], ...]
    plan: Plan
    warnings: tuple[str, ...]

    def allowed(self, region: str | None = None) -> Bools:
        """Which items may be shown to users of a region at all: bool, items."""
        mask: Bools = self.masks[_row(self.region_masks, region)]
        return mask

    def mask_rows(self, users: UserFacts) -> npt.NDArray[np.int64]:
        """Row of `masks` of each user."""
        return np.array([_row(self.region_masks, each) for each in users.regions], dtype=np.int64)

    def exclude(self, users: UserFacts) -> sparse.csr_matrix:
        """Return the items that rules of cohorts, ages and single users keep out.

        Returns
        -------
        scipy.sparse.csr_matrix
            int8, users x items, rows ascending; an entry keeps the item out of the user's list,
            besides those that `allowed` leaves out for the user's region.
        """
        shape = (len(users), len(self.items))
        if not (self.cohort_rows or self.user_rows or self.age_rows):
            return nothing(shape)
        return joined([self._kept_out(users, user) for user in range(len(users))], shape)

    def too_soon(
        self, days: sparse.csr_matrix | Mapping[str, sparse.csr_matrix]
    ) -> sparse.csr_matrix:
        """Return the items that rules on repeats keep out.

        Parameters
        ----------
        days
            Users x items CSR, an entry (0 included) for each item that the user took: days since
            the last time; or one such matrix for each event type that `repeat` names.
        """
        users = next(iter(days.values())) if isinstance(days, Mapping) else days
        return too_soon_pairs(self.policy, days, (users.shape[0], len(self.items)))

    def arrange(
        self,
        items: Rows,
        scores: Floats,
        users: UserFacts,
        *,
        n: int,
        run_id: str,
        fill: Rows,
        last_taken_days: Days | None = None,
        exclude: sparse.csr_matrix | None = None,
    ) -> Arranged:
        """Make finished lists of candidates; see `recsys_batch.ranking.policy.arrange.arrange`."""
        return arrange(
            self,
            items,
            scores,
            users,
            n=n,
            run_id=run_id,
            fill=fill,
            last_taken_days=last_taken_days,
            exclude=exclude,
        )

    def _kept_out(self, users: UserFacts, user: int) -> list[Rows]:
        cohort = users.cohorts[user] if users.cohorts is not None else None
        age = users.age_years[user] if users.age_years is not None else np.nan
        parts = [
            self.cohort_rows.get(cohort) if cohort is not None else None,
            self.user_rows.get(users.keys[user]),
        ]
        for limit, rows in self.age_rows:
            old_enough = limit.unknown if np.isnan(age) else age >= limit.from_years
            parts.append(None if old_enough else rows)
        return [part for part in parts if part is not None]


def compile_policy(policy: Policy, items: ItemFacts, *, as_of: dt.date) -> CompiledPolicy:
    """Resolve what rules name against the items of a run.

    Ids, categories and tags that no item has are no error, since catalogues change more often than
    rules: they are told in `CompiledPolicy.warnings`.

    Parameters
    ----------
    policy
        The rules.
    items
        The items of the run.
    as_of
        The logical day: rules may begin and end on days.
    """
    resolver = Resolver(items)
    base = items.recommendable & ~resolver.group(policy.safety.block, key="safety.block")
    if items.available is not None:
        base = base & items.available
    base = base & resolver.scope(policy.everywhere, key="everywhere")
    regional = [
        base & resolver.scope(scope, key=f"regions.{region}")
        for region, scope in policy.regions.items()
    ]

    def rows_out(scopes: dict[str, Scope], key: str) -> dict[str, Rows]:
        return {
            name: np.flatnonzero(base & ~resolver.scope(scope, key=f"{key}.{name}")).astype("i4")
            for name, scope in scopes.items()
        }

    age_rows = []
    for place, limit in enumerate(policy.safety.ages):
        group = resolver.group(limit.group, key=f"safety.ages.{place}.group")
        age_rows.append((limit, np.flatnonzero(base & group).astype(np.int32)))
    return CompiledPolicy(
        policy=policy,
        as_of=as_of,
        items=items,
        masks=np.stack([base, *regional]),
        region_masks={region: 1 + place for place, region in enumerate(policy.regions)},
        cohort_rows=rows_out(policy.cohorts, "cohorts"),
        user_rows=rows_out(policy.users, "users"),
        age_rows=tuple(age_rows),
        plan=make_plan(policy, items, resolver=resolver, as_of=as_of),
        warnings=tuple(resolver.warnings),
    )


def _row(known: dict[str, int], region: str | None) -> int:
    return 0 if region is None else known.get(region, 0)

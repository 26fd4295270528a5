"""What arranges lists, resolved against the items of a run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from recsys_batch.ranking.policy.arranging import Cap, Floor, Pin
from recsys_batch.ranking.policy.facts import Bools, Floats, ItemFacts, Rows
from recsys_batch.ranking.policy.masks import Resolver
from recsys_batch.ranking.policy.settings import Policy
from recsys_batch.ranking.policy.utility import Doubles, log_popularity, objectives


@dataclass(frozen=True, eq=False)
class Plan:
    """Rules that arrange, resolved; see `recsys_batch.ranking.policy.state` for the arrays.

    Attributes
    ----------
    terms, logs
        Objectives besides relevance, and log-popularity where popularity is taken off.
    pins, pin_rows
        Pins that hold on the day, and their items.
    cap_groups
        int32, caps x items: which group of a cap an item counts in; -1 for none.
    floors, floor_members
        Floors to whose group an item belongs, and bool, floors x items.
    drawable
        bool, items: may be drawn for.
    vectors
        float32, items x dimensions, of length one or zero; without columns where not asked for.
    """

    terms: list[tuple[float, Doubles]]
    logs: Doubles | None
    pins: tuple[Pin, ...]
    pin_rows: Rows
    caps: tuple[Cap, ...]
    cap_groups: Rows
    floors: tuple[Floor, ...]
    floor_members: Bools
    drawable: Bools
    vectors: Floats

    def scores_change(self, policy: Policy) -> bool:
        """Whether a candidate's worth may differ from its relevance."""
        return bool(self.terms) or self.logs is not None or bool(policy.repeat)

    def lone_floor(self, policy: Policy) -> Floor | None:
        """The floor, for everybody, that alone makes a list other than the most valuable items."""
        rules = (*self.pins, *self.caps, *policy.exploration.positions)
        if rules or policy.diversity.method != "none" or len(self.floors) != 1:
            return None
        return self.floors[0] if self.floors[0].audience.is_everybody() else None

    def reorders(self, policy: Policy) -> bool:
        """Whether a list may be other than the most valuable items in order."""
        rules = (*self.pins, *self.caps, *self.floors, *policy.exploration.positions)
        return bool(rules) or policy.diversity.method != "none"


def make_plan(policy: Policy, items: ItemFacts, *, resolver: Resolver, as_of: dt.date) -> Plan:
    """Resolve the rules that arrange; warnings go to the resolver."""
    terms, warnings = objectives(policy, items)
    resolver.warnings += warnings
    pins, pin_rows = [], []
    for place, pin in enumerate(policy.pins):
        rows = resolver.rows([pin.item], key=f"pins.{place}.item")
        if len(rows) and pin.period.holds(as_of):
            pins.append(pin)
            pin_rows.append(rows[0])
    groups = np.full((len(policy.caps), len(items)), -1, dtype=np.int32)
    for place, cap in enumerate(policy.caps):
        if cap.group is None:
            groups[place] = items.categories
        else:
            groups[place, resolver.group(cap.group, key=f"caps.{place}.group")] = 0
    found = [
        (floor, resolver.group(floor.group, key=f"floors.{place}.group"))
        for place, floor in enumerate(policy.floors)
    ]
    kept = [(floor, members) for floor, members in found if members.any()]
    only = policy.exploration.group
    return Plan(
        terms=terms,
        logs=log_popularity(items.popularity) if policy.popularity_debias else None,
        pins=tuple(pins),
        pin_rows=np.array(pin_rows, dtype=np.int32),
        caps=policy.caps,
        cap_groups=groups,
        floors=tuple(floor for floor, _ in kept),
        floor_members=np.array([members for _, members in kept], dtype=np.bool_).reshape(
            len(kept), len(items)
        ),
        drawable=np.ones(len(items), dtype=np.bool_)
        if only.is_empty()
        else resolver.group(only, key="exploration.group"),
        vectors=_directions(policy, items, resolver),
    )


def _directions(policy: Policy, items: ItemFacts, resolver: Resolver) -> Floats:
    diversity = policy.diversity
    if diversity.method != "mmr" or diversity.likeness != "vectors":
        return np.zeros((len(items), 0), dtype=np.float32)
    if items.vectors is None:
        resolver.warnings.append("diversity.likeness: items have no vectors; categories are taken")
        return np.zeros((len(items), 0), dtype=np.float32)
    lengths = np.linalg.norm(items.vectors, axis=1, keepdims=True)
    vectors = items.vectors / np.where(lengths > 0, lengths, 1.0)
    return np.ascontiguousarray(vectors, dtype=np.float32)

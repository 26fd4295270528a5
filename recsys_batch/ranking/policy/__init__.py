"""Rules as versioned configuration: what may be shown, and how the best of it is arranged.

Functions on arrays, users in blocks; docs/policy.md explains every rule. What compiles rules is not
imported here, as numba takes a while: `recsys_batch.ranking.policy.compile`.
"""

from recsys_batch.ranking.policy.facts import (
    EXPLORATION,
    FILL,
    FLOOR,
    PIN,
    RELEVANCE,
    WHY,
    Arranged,
    ItemFacts,
    UserFacts,
)
from recsys_batch.ranking.policy.load import load_policy
from recsys_batch.ranking.policy.settings import Policy

__all__ = [
    "EXPLORATION",
    "FILL",
    "FLOOR",
    "PIN",
    "RELEVANCE",
    "WHY",
    "Arranged",
    "ItemFacts",
    "Policy",
    "UserFacts",
    "load_policy",
]

"""Rules as versioned configuration: what may be shown, and how the best of it is arranged.

Functions on arrays, users in blocks; docs/policy.md explains every rule.
"""

from recsys_batch.ranking.policy.compile import CompiledPolicy, compile_policy
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
    "CompiledPolicy",
    "ItemFacts",
    "Policy",
    "UserFacts",
    "compile_policy",
    "load_policy",
]

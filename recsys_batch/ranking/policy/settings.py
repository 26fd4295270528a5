"""What a file of ``conf/rules/`` may say; docs/policy.md explains each key with examples."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from recsys_batch.ranking.policy.arranging import Arranging
from recsys_batch.ranking.policy.base import Group, Limit, Rules, SomeGroup


class Scope(Rules):
    """Which items may be shown to some users."""

    allow: SomeGroup | None = Field(None, description="If given, nothing but these items.")
    block: Group = Field(Group(), description="Never these items.")
    price: Limit | None = Field(None, description="Bounds of the price per unit.")
    item_age_days: Limit | None = Field(
        None, description="Bounds of the days since an item was first known."
    )


class AgeLimit(Rules):
    """Items for users of some age."""

    group: SomeGroup = Field(description="The items.")
    from_years: float = Field(gt=0, le=150, description="Youngest age to which they are shown.")
    unknown: bool = Field(False, description="Whether users of unknown age see them.")


class Safety(Rules):
    """What nothing outranks: no allow list, pin, floor or exploration."""

    block: Group = Field(Group(), description="Items shown to nobody.")
    ages: tuple[AgeLimit, ...] = Field((), description="Items not shown to young users.")


class Policy(Arranging):
    """The rules of a run; where nothing is given, lists are pure relevance."""

    version: str = Field(min_length=1, description="A name for this state of the rules.")
    safety: Safety = Field(Safety(), description="Hard, and above everything.")
    everywhere: Scope = Field(Scope(), description="Hard, for all users.")
    regions: dict[str, Scope] = Field(
        default_factory=dict, description="Region -> hard rules of its users, besides those above."
    )
    cohorts: dict[str, Scope] = Field(
        default_factory=dict, description="Cohort -> hard rules of its users, besides those above."
    )
    users: dict[str, Scope] = Field(
        default_factory=dict, description="User key -> hard rules of one user, besides those above."
    )

    def digest(self) -> str:
        """SHA-256 (hex) of all that the rules say."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

"""What a file of ``conf/rules/`` may say; docs/policy.md explains each key with examples."""

from __future__ import annotations

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Rules(BaseModel):
    """Frozen settings; a key that is not known is an error, and so is a number for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Group(Rules):
    """Items, named or described.

    An item belongs to it if one of `items`, `categories` and `tags` names it (all items do if none
    of the three is given) and if it keeps every limit that is given. What is unknown of an
    item keeps no limit. A group that says nothing is empty.
    """

    items: tuple[str, ...] = Field((), description="Item ids.")
    categories: tuple[str, ...] = Field((), description="Names of categories.")
    tags: tuple[str, ...] = Field((), description="Labels; one of them suffices.")
    newer_than_days: float | None = Field(None, gt=0, description="Known for fewer days.")
    less_popular_than: float | None = Field(
        None, gt=0, le=1, description="Share of the most popular item's score, not reached."
    )
    dearer_than: float | None = Field(None, ge=0, description="Price per unit, exceeded.")

    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return self == Group()


class Limit(Rules):
    """Bounds of a number; both ends are allowed."""

    least: float | None = Field(None, description="Smallest value allowed; null: none.")
    most: float | None = Field(None, description="Greatest value allowed; null: none.")
    unknown: bool = Field(False, description="Whether items of which it is unknown are allowed.")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("must give least, most or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least must not be greater than most")
        return self


class Scope(Rules):
    """Which items may be shown to some users."""

    allow: Group | None = Field(None, description="If given, nothing but these items.")
    block: Group = Field(Group(), description="Never these items.")
    price: Limit | None = Field(None, description="Bounds of the price per unit.")
    item_age_days: Limit | None = Field(
        None, description="Bounds of the days since an item was first known."
    )


class AgeLimit(Rules):
    """Items for users of some age."""

    group: Group = Field(description="The items.")
    from_years: float = Field(gt=0, le=150, description="Youngest age to which they are shown.")
    unknown: bool = Field(False, description="Whether users of unknown age see them.")


class Safety(Rules):
    """What nothing outranks: no allow list, pin, floor or exploration."""

    block: Group = Field(Group(), description="Items shown to nobody.")
    ages: tuple[AgeLimit, ...] = Field((), description="Items not shown to young users.")


class Policy(Rules):
    """The rules of a run; the default changes nothing, so that lists are pure relevance."""

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

"""What rules speak of: groups of items, bounds of numbers, some of the users."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


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


def _says_something(group: Group) -> Group:
    if group.is_empty():
        raise ValueError("the group names no items; give items, categories, tags or a limit")
    return group


SomeGroup = Annotated[Group, AfterValidator(_says_something)]


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


class Audience(Rules):
    """Users of whom a rule holds: those that every given one of these names; all if none is."""

    regions: tuple[str, ...] = Field((), description="Regions.")
    cohorts: tuple[str, ...] = Field((), description="Cohorts.")
    users: tuple[str, ...] = Field((), description="User keys.")

    def is_everybody(self) -> bool:
        """Whether it leaves nobody out."""
        return self == Audience()


class Period(Rules):
    """Days on which a rule holds, the first and the last included; null is open."""

    first_day: dt.date | None = Field(None, description="First logical day.")
    last_day: dt.date | None = Field(None, description="Last logical day.")

    def holds(self, day: dt.date) -> bool:
        """Whether a day lies in the period."""
        begun = self.first_day is None or self.first_day <= day
        return begun and (self.last_day is None or day <= self.last_day)

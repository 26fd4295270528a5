"""Rules that arrange a list: they choose among what may be shown, and give way if it runs out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys_batch.config import EventType
from recsys_batch.ranking.policy.base import Audience, Group, Period, Rules, SomeGroup


class RepeatRule(Rules):
    """What becomes of an item that the user has already taken."""

    after_days: float | None = Field(
        None, ge=0, description="Days until it may be shown again; null: never. Hard."
    )
    boost: float = Field(
        0.0, description="Added from then on, in standard deviations of the user's scores."
    )
    half_life_days: float | None = Field(
        None, gt=0, description="Days in which the boost halves; null: it lasts."
    )


class Pin(Rules):
    """An item that stands at a place of the list, if it may be shown to the user."""

    item: str = Field(description="Item id.")
    position: int = Field(ge=1, le=1000, description="Place, from 1; taken ones move it down.")
    audience: Audience = Field(Audience(), description="For whom.")
    period: Period = Field(Period(), description="On which logical days.")


class Cap(Rules):
    """No more than some items of a kind among the first of a list."""

    group: SomeGroup | None = Field(None, description="The items together, or else `each`.")
    each: Literal["category"] | None = Field(
        None, description="category: the items of each category; unknown ones are not counted."
    )
    most: int = Field(ge=0, description="How many items at most.")
    first: int | None = Field(None, ge=1, description="Among so many places; null: the list.")
    audience: Audience = Field(Audience(), description="For whom.")

    @model_validator(mode="after")
    def _counts_one_thing(self) -> Self:
        if (self.group is None) == (self.each is None):
            raise ValueError("must give either group or each")
        return self


class Floor(Rules):
    """A share that items of a group have in each beginning of a list (Geyik et al. 2019)."""

    group: SomeGroup = Field(description="The items.")
    share: float = Field(gt=0, le=1, description="Of the first k, floor(share * k), for every k.")
    first: int | None = Field(None, ge=1, description="k up to so many; null: the list.")
    audience: Audience = Field(Audience(), description="For whom.")


class Weights(Rules):
    """Objectives, each standardised over the user's candidates, and what they weigh."""

    relevance: float = Field(1.0, gt=0, description="The model's score.")
    margin: float = Field(0.0, description="What a sale earns.")
    novelty: float = Field(0.0, description="-log2 of the item's popularity share.")
    freshness: float = Field(0.0, description="2 ** -(days since first known / half-life).")
    freshness_half_life_days: float = Field(30.0, gt=0, description="That half-life.")


class Diversity(Rules):
    """How items that resemble others of the list give way."""

    method: Literal["none", "mmr", "calibration"] = Field(
        "none",
        description="mmr: unlike those above (Carbonell and Goldstein 1998); calibration: spread "
        "over categories like the user's past interest (Steck 2018).",
    )
    weight: float = Field(
        0.3, ge=0, lt=1, description="Of diversity; relevance weighs 1 less this."
    )
    likeness: Literal["category", "vectors"] = Field(
        "category", description="mmr: items are alike in category, or by cosine of their vectors."
    )
    first: int | None = Field(None, ge=1, description="Places arranged so; null: the list.")
    smoothing: float = Field(
        0.01, gt=0, lt=1, description="calibration: share of the target mixed into the list's."
    )


class Exploration(Rules):
    """Places for which an item is drawn by chance, with its probability logged."""

    positions: tuple[int, ...] = Field((), description="Places, from 1.")
    pool: int = Field(20, ge=1, description="Candidates a place is drawn from: the best left over.")
    group: Group = Field(Group(), description="Draw from these items only; empty: from all.")
    temperature: float | None = Field(
        None,
        gt=0,
        description="Softmax over scores, in standard deviations of them; null: all alike.",
    )
    uniform_share: float = Field(
        0.1, gt=0, le=1, description="Share of a softmax draw that is uniform; bounds 1/propensity."
    )

    @model_validator(mode="after")
    def _places_are_distinct(self) -> Self:
        if any(each < 1 for each in self.positions):
            raise ValueError("positions count from 1")
        if len(set(self.positions)) < len(self.positions):
            raise ValueError("positions must be distinct")
        return self


class Arranging(Rules):
    """All of these."""

    repeat: dict[EventType | Literal["any"], RepeatRule] = Field(
        default_factory=dict,
        description="Event type by which the user took the item (any: one of those that make an "
        "item seen) -> what becomes of it.",
    )
    pins: tuple[Pin, ...] = Field((), description="In order of precedence.")
    caps: tuple[Cap, ...] = Field((), description="Of which all hold.")
    floors: tuple[Floor, ...] = Field((), description="Of which all hold, below caps.")
    weights: Weights = Weights()
    popularity_debias: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share taken off of what log-popularity explains of the user's scores.",
    )
    diversity: Diversity = Diversity()
    exploration: Exploration = Exploration()

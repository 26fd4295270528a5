"""How large the simulated shop is, how its people behave and how dirty its files are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys_batch.errors import ConfigError

MONTH_DAYS = 30  # newcomers are counted per month of this many days

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ShopSettings(BaseModel):
    """One simulated shop; equal settings give equal files, byte for byte."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    theme: Literal["shop", "news", "groceries", "films"] = Field(
        default="shop", description="Word lists of the item titles and the names of the categories."
    )
    seed: int = Field(default=7, ge=0, description="Seed of everything random.")
    users: int = Field(default=2000, ge=1, description="People who have arrived after 30 days.")
    items: int = Field(default=1000, ge=1, description="Items that have arrived after 30 days.")
    days: int = Field(default=30, ge=1, le=3650, description="Days simulated, one event file each.")
    first_day: date = Field(default=date(2026, 1, 1), description="UTC day of the first file.")
    format: Literal["csv", "jsonl"] = Field(default="csv", description="Form of the event files.")
    profiles: bool = Field(
        default=False, description="Land a file of users' profiles beside events and catalogue."
    )

    factors: int = Field(default=8, ge=2, le=64, description="Dimensions of the true tastes.")
    categories: int = Field(default=12, ge=1, le=500, description="Item categories.")
    regions: tuple[str, ...] = Field(
        default=("north", "east", "south", "west"),
        min_length=1,
        description="Regions people live in, the largest first.",
    )
    taste: float = Field(
        default=8.0,
        ge=0,
        description="Log-odds between an item in a person's line and one across it.",
    )
    tail: float = Field(
        default=0.8, ge=0, description="Scale of log-popularity; 1 gives a power law of exponent 2."
    )
    season: float = Field(
        default=0.5, ge=0, description="Swing of a category's log-popularity over a year."
    )
    trend: float = Field(
        default=0.4, ge=0, description="Typical swing of an item's log-popularity over some months."
    )
    ageing: float = Field(
        default=0.5, ge=0, description="Fall of log-popularity over an item's life."
    )

    new_user_share: Share = Field(
        default=0.15,
        description="Share of `users` who arrive during the 30 days; as many each later month.",
    )
    new_item_share: Share = Field(
        default=0.15,
        description="Share of `items` that arrive during the 30 days; as many each later month.",
    )
    item_lifetime_days: Positive = Field(
        default=730.0,
        description="Median days an item is on offer; below 7, life is counted in hours.",
    )
    repeat_interval_days: Positive | None = Field(
        default=45.0, description="Days after which a bought item is wanted again; null for never."
    )
    loyalty: Share = Field(
        default=0.1,
        description="Probability that a first purchase makes an item one of the regular ones.",
    )

    sessions_per_user_day: Positive = Field(
        default=0.14, description="Mean visits of a person in a day."
    )
    requests_per_session: float = Field(
        default=1.2,
        ge=0,
        le=20,
        description="Mean lists shown in a visit; 0 for no impressions at all.",
    )
    slots: int = Field(default=10, ge=1, le=100, description="Impressions of a request.")
    direct_views_per_session: float = Field(
        default=4.5,
        ge=0,
        le=100,
        description="Mean items that a visitor finds without a shown list.",
    )
    view_rate: Positive = Field(
        default=0.3,
        lt=1,
        description="Probability that an item of middling taste is opened once noticed.",
    )
    purchase_rate: Positive = Field(
        default=0.12,
        lt=1,
        description="Probability that a view of an item of middling taste ends bought.",
    )
    position_bias: float = Field(
        default=0.6,
        ge=0,
        description="Slot k is noticed with probability k to minus this; 0 for no bias.",
    )
    policy_popularity: Share = Field(
        default=0.35,
        description="Share of impressions that the logging policy picks by popularity alone.",
    )
    policy_exploration: Share = Field(
        default=0.15,
        description="Share of impressions that it picks evenly; the rest follow noisy taste.",
    )

    anonymous_share: Share = Field(
        default=0.03, description="Share of visits without a user id, legal."
    )
    no_consent_share: Share = Field(default=0.04, description="Share of people who refuse consent.")
    duplicate_share: Share = Field(
        default=0.01, description="Share of clean lines delivered twice."
    )
    late_share: Share = Field(
        default=0.01, description="Share of events in the file of a later day."
    )
    late_days: int = Field(default=3, ge=1, description="Most days by which an event is late.")
    dirty_share: Share = Field(default=0.005, description="Share of lines spoiled in a known way.")

    @model_validator(mode="after")
    def _policy_adds_up(self) -> ShopSettings:
        if self.policy_popularity + self.policy_exploration > 1:
            raise ValueError("policy_popularity and policy_exploration are more than 1 together")
        return self

    @property
    def slice_hours(self) -> int:
        """Hours during which the catalogue on offer does not change: 24, or 1 for short lives."""
        return 1 if self.item_lifetime_days < 7 else 24


PRESETS: dict[str, ShopSettings] = {
    "shop": ShopSettings(),
    "news": ShopSettings(
        theme="news",
        items=3000,
        new_item_share=0.97,
        item_lifetime_days=1.0,
        repeat_interval_days=None,
        loyalty=0.0,
        ageing=2.0,
        season=0.1,
        sessions_per_user_day=0.3,
        view_rate=0.4,
        purchase_rate=0.05,
    ),
    "groceries": ShopSettings(
        theme="groceries",
        categories=15,
        repeat_interval_days=7.0,
        loyalty=0.5,
        sessions_per_user_day=0.15,
        direct_views_per_session=5.0,
        purchase_rate=0.2,
        new_item_share=0.05,
        item_lifetime_days=1095.0,
    ),
    "films": ShopSettings(
        theme="films",
        repeat_interval_days=None,
        loyalty=0.0,
        requests_per_session=0.0,
        direct_views_per_session=6.0,
        purchase_rate=0.2,
        sessions_per_user_day=0.12,
        new_item_share=0.03,
        item_lifetime_days=7300.0,
        season=0.1,
    ),
}


def shop_settings(preset: str, overrides: Mapping[str, Any] | None = None) -> ShopSettings:
    """Settings of a preset with some of them changed.

    Parameters
    ----------
    preset
        A key of `PRESETS`.
    overrides
        Settings that differ, such as ``{"users": 10_000}``; a value of None in a setting that
        cannot be None is an error like any other.

    Raises
    ------
    ConfigError
        The preset is unknown, a setting is unknown, or a value is out of range.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"there is no preset {preset!r}",
            where="--preset",
            fix=f"use one of {', '.join(PRESETS)}",
        )
    try:
        return ShopSettings.model_validate({**PRESETS[preset].model_dump(), **(overrides or {})})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(all)"
        raise ConfigError(
            f"{key}: {first['msg'].lower()}",
            where=f"simulator preset {preset!r}",
            fix="correct that value",
        ) from error

"""What the settings name of a recipe, and what is taken where a log can choose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recsys_batch.config import Settings
from recsys_batch.errors import ConfigError
from recsys_batch.models.recipes import FACTORS, POPULAR, Recipe
from recsys_batch.models.sources import AnySource, SourceSettings
from recsys_batch.tuning.spaces import (
    USUAL,
    USUAL_COHORTS,
    USUAL_NEWCOMERS,
    USUAL_REPEAT,
    USUAL_WEIGHTS,
)
from recsys_batch.tuning.trials import HalfLife


def usual_recipe(
    settings: Settings,
    named: Mapping[str, SourceSettings] | None,
    *,
    repeats: bool = False,
    cohorts: bool = False,
) -> Recipe:
    """What is taken where nothing can be chosen, but for what the settings name.

    Parameters
    ----------
    named
        Sources that the settings name.
    repeats
        Whether users come back to their own items, so that these are listed too.
    cohorts
        Whether users are of several cohorts, so that these have lists.
    """
    pinned = pinned_by(settings)
    listed = pinned.get("repeats", repeats)
    usual = USUAL | (USUAL_REPEAT if listed else {}) | (USUAL_COHORTS if cohorts else {})
    sources = dict(usual if named is None else named)
    weights = {name: USUAL_WEIGHTS.get(name, 1.0) for name in sources}
    if settings.model.weights is not None:
        weights = dict.fromkeys(sources, 0.0) | settings.model.weights
    return _checked(
        interest_half_life_days=pinned.get("interest", 90.0),
        popularity_half_life_days=pinned.get("popularity", 14.0),
        seen="allow" if listed else "exclude",
        sources=sources,
        weights=weights,
        newcomers=next(
            (name for name in (*USUAL_COHORTS, USUAL_NEWCOMERS) if name in sources), POPULAR
        ),
        per_source=settings.model.per_source,
    )


def pinned_by(settings: Settings) -> dict[str, HalfLife | bool]:
    """What the settings name, so that it is not searched for."""
    pinned: dict[str, HalfLife | bool] = {}
    if settings.features.half_life_days != "auto":
        pinned["interest"] = settings.features.half_life_days
    if settings.popularity.half_life_days != "auto":
        pinned["popularity"] = settings.popularity.half_life_days
    if settings.recommend.seen != "auto":
        pinned["repeats"] = settings.recommend.seen == "allow"
    return pinned


def named_sources(settings: Settings) -> dict[str, SourceSettings] | None:
    """The sources that the settings name, with those that there must be; None: to be chosen."""
    if settings.model.sources is None:
        return None
    try:
        named = TypeAdapter(dict[str, AnySource]).validate_python(settings.model.sources)
    except ValidationError as error:
        raise _unfit(error) from error
    return {name: USUAL[name] for name in (FACTORS, POPULAR)} | dict(named)


def _checked(**fields: Any) -> Recipe:
    try:
        return Recipe(**fields)
    except ValidationError as error:
        raise _unfit(error) from error


def _unfit(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "sources and weights"
    return ConfigError(
        f"{key}: {first['msg'].lower()}",
        where="settings model.sources and model.weights",
        fix="correct them as docs/models.md describes, or leave them out to have them chosen",
    )

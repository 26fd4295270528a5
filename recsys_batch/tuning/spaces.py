"""What is tried of each source: a start, and values for one setting after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys_batch.models.sources import (
    AlsSettings,
    CohortSettings,
    ContentSettings,
    EaseSettings,
    IalsSettings,
    LinearFilterSettings,
    LowPassSettings,
    NeighbourSettings,
    PopularSettings,
    RegionalSettings,
    RepeatSettings,
    SourceSettings,
)
from recsys_batch.tuning.log import Log

INTEREST = (None, 180.0, 60.0, 20.0, 7.0, 2.0)
POPULARITY = (None, 90.0, 30.0, 14.0, 7.0, 3.0, 1.0, 0.5)
_PROFILE = (None, 30.0, 7.0, 2.0)
_EASE_ITEMS = 2000  # its time grows with the third power of the items

# What is taken where a log is too short to choose by.
USUAL: dict[str, SourceSettings] = {
    "low_pass": LowPassSettings(factors=32),
    "als": AlsSettings(factors=32, regularization=1.0, alpha=10.0, iterations=15),
    "popular": PopularSettings(),
    "regional": RegionalSettings(),
}
USUAL_WEIGHTS = {
    "low_pass": 1.0,
    "als": 0.5,
    "popular": 0.3,
    "regional": 0.0,
    "repeat": 1.0,
    "cohort": 0.0,
}
USUAL_NEWCOMERS = "regional"
USUAL_COHORTS: dict[str, SourceSettings] = {"cohort": CohortSettings()}  # with cohorts, this too
USUAL_REPEAT: dict[str, SourceSettings] = {"repeat": RepeatSettings()}  # with repeats, this too
REPEATED = 0.25  # share of later acts that come back to an item, from which repeats are listed


@dataclass(frozen=True)
class Space:
    """Where the search of a source begins, and which values each setting may take.

    Attributes
    ----------
    start
        Settings to begin from.
    axes
        Setting to values, tried in this order; the best of each is kept before the next.
    """

    start: SourceSettings
    axes: Mapping[str, tuple[Any, ...]]


def spaces(log: Log) -> dict[str, Space]:
    """The sources that a log can feed, cheapest first."""
    found = {
        "repeat": Space(
            RepeatSettings(),
            {"half_life_days": (None, 90.0, 30.0, 10.0, 3.0, 1.0), "exponent": (1.0, 0.5, 0.0)},
        ),
        "trending": Space(
            PopularSettings(half_life_days=3.0),
            {"half_life_days": (3.0, 30.0, 14.0, 7.0, 1.0, 0.5)},
        ),
        "low_pass": Space(
            LowPassSettings(factors=64),
            {
                "factors": (64, 16, 32, 128),
                "item_exponent": (0.5, 0.3, 0.1),
                "profile_half_life_days": _PROFILE,
                "user_exponent": (0.5, 0.2),
                "sharpness": (0.0, 0.3),
            },
        ),
        "linear_filter": Space(
            LinearFilterSettings(),
            {
                "item_exponent": (0.5, 0.3),
                "profile_half_life_days": _PROFILE,
                "user_exponent": (0.5, 0.8),
                "signal_exponent": (0.0, 0.3),
            },
        ),
        "neighbours": Space(
            NeighbourSettings(similarity="cosine", neighbours=100),
            {
                "similarity": ("cosine", "rp3beta", "bm25"),
                "profile_half_life_days": _PROFILE,
                "neighbours": (100, 30, 300),
            },
        ),
        "ials": Space(
            IalsSettings(factors=32, unobserved=0.1, regularization=0.03, iterations=6),
            {
                "unobserved": (0.1, 0.3, 0.03),
                "regularization": (0.03, 0.01, 0.1),
                "item_exponent": (0.0, 0.3),
                "frequency_exponent": (1.0, 0.5),
                "factors": (32, 16, 64),
            },
        ),
        "als": Space(
            AlsSettings(factors=32, regularization=10.0, alpha=10.0, iterations=8),
            {
                "factors": (32, 8, 64),
                "alpha": (10.0, 1.0, 40.0),
                "regularization": (10.0, 1.0, 100.0),
            },
        ),
    }
    if log.n_items <= _EASE_ITEMS:
        found["ease"] = Space(
            EaseSettings(regularization=100.0),
            {"regularization": (100.0, 20.0, 500.0), "profile_half_life_days": _PROFILE},
        )
    if log.texts is not None and any(text.strip() for text in log.texts):
        found["content"] = Space(ContentSettings(), {"profile_half_life_days": _PROFILE})
    if log.n_regions > 1:
        found["regional"] = Space(RegionalSettings(), {"prior": (100.0, 10.0, 1000.0)})
    if log.n_cohorts > 1:
        found["cohort"] = Space(
            CohortSettings(prior=1000.0),
            {"prior": (1000.0, 100.0, 10.0, 10_000.0), "half_life_days": (None, 14.0, 3.0)},
        )
    found["popular"] = Space(PopularSettings(), {})
    return found

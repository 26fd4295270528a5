"""Sources of candidates, a small model each, behind the one interface of `interface`.

`AnySource` reads the settings of any of them from a configuration by their `kind`.
"""

from typing import Annotated

from pydantic import Field

from recsys_batch.models.sources.als import AlsSettings
from recsys_batch.models.sources.content import ContentSettings
from recsys_batch.models.sources.ease import EaseSettings
from recsys_batch.models.sources.graph import LinearFilterSettings, LowPassSettings
from recsys_batch.models.sources.ials import IalsSettings
from recsys_batch.models.sources.interface import (
    FactorScores,
    FactorSource,
    FittedSource,
    ProfiledSettings,
    SourceData,
    SourceSettings,
)
from recsys_batch.models.sources.local_ease import LocalEaseSettings
from recsys_batch.models.sources.neighbours import NeighbourSettings
from recsys_batch.models.sources.popular import (
    CohortSettings,
    PopularSettings,
    RegionalSettings,
    SegmentSettings,
)
from recsys_batch.models.sources.repeat import RepeatSettings

AnySource = Annotated[
    AlsSettings
    | IalsSettings
    | LinearFilterSettings
    | LowPassSettings
    | NeighbourSettings
    | EaseSettings
    | LocalEaseSettings
    | PopularSettings
    | RegionalSettings
    | CohortSettings
    | RepeatSettings
    | ContentSettings,
    Field(discriminator="kind"),
]

__all__ = [
    "AlsSettings",
    "AnySource",
    "CohortSettings",
    "ContentSettings",
    "EaseSettings",
    "FactorScores",
    "FactorSource",
    "FittedSource",
    "IalsSettings",
    "LinearFilterSettings",
    "LocalEaseSettings",
    "LowPassSettings",
    "NeighbourSettings",
    "PopularSettings",
    "ProfiledSettings",
    "RegionalSettings",
    "RepeatSettings",
    "SegmentSettings",
    "SourceData",
    "SourceSettings",
]

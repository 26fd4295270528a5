"""What a table's configuration file holds."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from recsys_batch.models.sources import AnySource
from recsys_batch.ranking.stack import StackSettings

HERE = Path(__file__).resolve().parent


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Check(_Settings):
    """A published figure recomputed: it shows that data and protocol are the published ones."""

    published: dict[str, float] = Field(description="Figure by metric.")
    sources: dict[str, AnySource] = Field(
        default_factory=dict,
        description="Sources whose raw scores are added up; none: the peer's own.",
    )
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weight of each source's raw scores."
    )
    tolerance: float = Field(0.0005, gt=0, description="Distance at which it still holds.")


class TableSettings(_Settings):
    """One table: its metrics, what others published, our model, and the goals."""

    about: str = Field(description="Data and protocol, for the report.")
    found: str = Field(description="How the hyperparameters were found, for the report.")
    k: int = Field(description="Depth of all metrics.")
    metrics: tuple[str, ...] = Field(description="Names in `recsys_batch.evaluation.accuracy`.")
    published: dict[str, tuple[float, ...]] = Field(description="Figures in the metrics' order.")
    goals: dict[str, tuple[float, ...]] = Field(
        description="Figures to reach in the metrics' order: of `ours`, or of a source alone."
    )
    recall_at: tuple[int, ...] = Field(
        (), description="Depths at which the recall of the candidates is told, source by source."
    )
    recall_users: int = Field(6000, ge=1, description="Test users drawn for these.")
    paced: str | None = Field(
        None, description="Source that the whole model's seconds are held against; null: none."
    )
    checks: dict[str, Check] = Field(default_factory=dict, description="Rows recomputed.")
    stack: StackSettings = Field(description="Our model.")


def table_settings(name: str) -> TableSettings:
    """Read a table's configuration file."""
    return TableSettings.model_validate(yaml.safe_load((HERE / f"{name}.yaml").read_text()))

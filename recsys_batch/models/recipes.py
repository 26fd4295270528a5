"""A model's recipe: half-lives, sources and weights that, with its data, make it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_batch.errors import LakeError
from recsys_batch.features.state import Clock
from recsys_batch.lake.ledger import read_rows
from recsys_batch.models.sources import AnySource, CohortSettings
from recsys_batch.models.sources.interface import Positive

FACTORS = "als"  # the source whose factors are tables, and an MLflow model, of their own
POPULAR = "popular"  # the source that needs no history: what is left to a user of whom none is


class Trees(BaseModel):
    """A re-ranker: gradient-boosted trees that correct the blend."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("LambdaRank", description="What grew them, and on what.")
    model: str = Field(description="The trees in LightGBM's text form.")
    kind: Literal["lambdarank", "pointwise"] = Field(
        "lambdarank",
        description="lambdarank: the trees' scores are added to the blend's; pointwise: they "
        "replace them.",
    )
    scale: Positive = Field(description="What the blend's scores were multiplied by in training.")
    depth: int = Field(ge=1, description="Best candidates by the blend that are re-ranked.")


class Calibration(BaseModel):
    """A map from scores to probabilities that never falls."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["platt", "isotonic"] = Field(description="Which of the two maps below it is.")
    slope: float = Field(0.0, ge=0, description="platt: log-odds a unit of score.")
    intercept: float = Field(0.0, description="platt: log-odds of the score 0.")
    scores: tuple[float, ...] = Field((), description="isotonic: scores, ascending.")
    probabilities: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (), description="isotonic: their probabilities; between them along straight lines."
    )

    @model_validator(mode="after")
    def _is_a_rising_map(self) -> Self:
        if self.kind == "isotonic":
            told = (self.scores, self.probabilities)
            if not self.scores or len(self.scores) != len(self.probabilities):
                raise ValueError("an isotonic map needs as many probabilities as scores")
            if any(list(each) != sorted(each) for each in told):
                raise ValueError("scores and probabilities of an isotonic map must not fall")
        return self


class Recipe(BaseModel):
    """How a model is made of a run's features."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    interest_half_life_days: Positive | None = Field(
        description="Days after which an event counts half in interactions; null: never."
    )
    popularity_half_life_days: Positive | None = Field(
        description="Days after which an event counts half in popularity; null: never."
    )
    seen: Literal["exclude", "allow"] = Field(
        description="exclude: items that the user has seen are left out."
    )
    sources: dict[str, AnySource] = Field(description="Settings of each source, by name.")
    weights: dict[str, float] = Field(
        description="Weight of each source's standard scores; 0 brings candidates alone."
    )
    newcomers: str = Field(
        POPULAR, description="The source that alone orders the list of a user without history."
    )
    trees: Trees | None = Field(
        None, description="The re-ranker, where it was shown to be better than the blend alone."
    )
    calibration: Calibration | None = Field(
        None,
        description="From the score of a user with a history, before rules, to the probability "
        "that a user who comes back acts on the item within the hold-out's days.",
    )
    per_source: int = Field(150, ge=1, description="Candidates that a source brings for a user.")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if set(self.weights) != set(self.sources):
            raise ValueError("sources and weights must name the same")
        for needed in (FACTORS, POPULAR, self.newcomers):
            if needed not in self.sources:
                raise ValueError(f"there must be a source {needed!r}")
        return self

    @property
    def tells_cohorts(self) -> bool:
        """Whether newcomers of a cohort get a list of its own, not a copy of that of all."""
        return isinstance(self.sources[self.newcomers], CohortSettings)

    def clock(self, until: dt.date) -> Clock:
        """The decays of a run that looks back from `until`."""
        return Clock.of(
            until,
            interest=self.interest_half_life_days,
            popularity=self.popularity_half_life_days,
        )

    def text(self) -> str:
        """The recipe as JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def summary(self) -> dict[str, Any]:
        """The recipe without its calibration's figures and the text of its trees, but a digest."""
        found = self.model_dump(mode="json")
        found["calibration"] = None if self.calibration is None else self.calibration.kind
        if self.trees is not None:
            found["trees"]["model"] = hashlib.sha256(self.trees.model.encode()).hexdigest()
        return found

    def digest(self) -> str:
        """SHA-256 (hex) of the recipe."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def run_recipe(home: Path, run_id: str) -> Recipe:
    """The recipe that `tune` chose for a run.

    Raises
    ------
    LakeError
        It has not.
    """
    rows = read_rows(home, "recipes", run_id=run_id)
    if not rows:
        raise LakeError(
            f"no recipe was chosen for run {run_id}",
            where=str(home),
            fix="run `recsys-batch tune` for that day first, or the whole day with `run`",
        )
    return Recipe.model_validate_json(rows[0]["recipe"])


def fit_day(home: Path, run_id: str) -> dt.date:
    """The logical day whose features the model of a run is fitted on, as `tune` found it."""
    day: dt.date = read_rows(home, "recipes", run_id=run_id)[0]["fit_day"]
    return day


def stored_recipe(home: Path, run_id: str) -> Recipe | None:
    """The recipe that a run's model was made by, or None where it has no model."""
    rows = read_rows(home, "models", run_id=run_id)
    return Recipe.model_validate_json(rows[0]["recipe"]) if rows else None

"""The stage list: the command line, the DAG, the lineage and the docs are made from it.

Light to import: no Spark, no pandas. A stage reads and writes named tables of the lake; running
the stages in this order is one day's run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One step of a day's run.

    Attributes
    ----------
    name
        The command (``recsys-batch NAME``), the job (``jobs/NAME.py``) and the Airflow task.
    summary
        One line for help texts and docs.
    reads, writes
        Tables of `recsys_batch.lake.tables`; ``landing``,
        ``fitted``, ``cards``, ``edge`` and ``exports`` are folders.
    """

    name: str
    summary: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def job(self) -> str:
        """The spark-submit entry, relative to the project's root."""
        return f"jobs/{self.name}.py"


STAGES: tuple[Stage, ...] = (
    Stage(
        "ingest",
        "take new landing files: parse, pseudonymise, deduplicate, quarantine",
        reads=("landing", "schemas"),
        writes=(
            *("raw_events", "raw_items", "raw_profiles", "raw_consents"),
            *("events", "catalogue", "profiles", "consents", "quarantine", "batches"),
            *("lateness", "schemas"),
        ),
    ),
    Stage(
        "validate",
        "check what landed, its rows and how fresh the sources are, and open the run",
        reads=(
            *("raw_events", "raw_items", "raw_profiles", "raw_consents", "quarantine"),
            *("events", "catalogue", "profiles", "consents", "batches", "batch_days"),
        ),
        writes=("validations", "freshness", "runs", "batch_days"),
    ),
    Stage(
        "tune",
        "choose half-lives, sources and weights by the log itself, now and then",
        reads=("events", "catalogue", "consents", "runs", "batch_days", "recipes"),
        writes=("recipes",),
    ),
    Stage(
        "features",
        "weighted, time-decayed interactions as of the day, and the items known then",
        reads=(
            *("events", "catalogue", "profiles", "consents", "runs"),
            *("recipes", "batch_days", "states", "state_pairs", "state_facts"),
        ),
        writes=(
            *("interactions", "users", "items", "popularity", "holdout", "validations"),
            *("suspects", "states", "state_pairs", "state_facts"),
        ),
    ),
    Stage(
        "train",
        "fit the recipe's sources, or fold into an earlier fit; register the model as challenger",
        reads=("interactions", "users", "items", "popularity", "recipes", "runs", "fitted"),
        writes=("user_factors", "item_factors", "fitted", "models"),
    ),
    Stage(
        "recommend",
        "exact top-N for every user, region, cohort and for all; check the finished lists",
        reads=("fitted", "interactions", "items", "runs", "topn_user", "validations"),
        writes=("topn_user", "topn_segment", "list_changes", "validations"),
    ),
    Stage(
        "evaluate",
        "temporal hold-out against popularity and the champion; the gate decides",
        reads=("fitted", "users", "items", "holdout", "models", "runs"),
        writes=("metrics", "segments", "decisions"),
    ),
    Stage(
        "publish",
        "seal the lists as an immutable publication with its manifest",
        reads=(
            *("topn_user", "topn_segment", "decisions", "metrics", "segments", "models"),
            *("recipes", "runs"),
        ),
        writes=("publications", "cards"),
    ),
    Stage(
        "export",
        "build the edge store and plain exports, verify them, and go live",
        reads=("topn_user", "topn_segment", "publications"),
        writes=("edge", "exports"),
    ),
)


def stage(name: str) -> Stage:
    """Return the stage called `name`; raise `KeyError` where there is none."""
    return {each.name: each for each in STAGES}[name]

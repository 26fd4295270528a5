"""Frozen, typed settings: ``conf/base.yaml``, one overlay an environment, one file a dataset.

Later files win key by key; unknown keys are errors. Secrets are never settings: they come from
the environment or from files with strict permissions (`recsys_batch.ingest.pseudonyms`).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import zoneinfo
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recsys_batch.errors import ConfigError
from recsys_batch.odcs.load import contract

PROJECT_CONF = Path(__file__).resolve().parent.parent / "conf"

if TYPE_CHECKING:
    EventType = str
else:  # the contract's enumeration
    EventType = Literal[contract("events").table.column("event_type").valid_values]
EVENT_FIELDS = frozenset(contract("events").fields)
ITEM_FIELDS = frozenset(contract("items").fields)
SourceName = Literal["events", "items", "profiles", "consents"]
PROFILE_FIELDS = frozenset(contract("profiles").fields)
CONSENT_FIELDS = frozenset(contract("consents").fields)
Purpose = Literal["training", "personalization"]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Auto = Literal["auto"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SparkSettings(_Settings):
    """How the one session is made; nothing here may change a result."""

    master: str = Field("local[2]", description="Spark master; local[N] on one machine.")
    driver_memory: str = Field("4g", description="Heap of the driver, which in local mode is all.")
    java_options: str = Field("", description="Options of the driver's and the executors' JVMs.")
    shuffle_partitions: int = Field(
        4, ge=1, description="Partitions after a shuffle; about twice the cores."
    )
    conf: dict[str, str] = Field(
        default_factory=dict, description="Further Spark configuration, passed as it is."
    )


class LakeSettings(_Settings):
    """Where the tables lie; nothing here may change a result."""

    tables: str | None = Field(
        None,
        description="s3://BUCKET/PREFIX that the tables of all datasets lie below "
        "(docs/cluster.md); null: in the lake's folder, which has all else in any case.",
    )

    @field_validator("tables")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"s3[an]?://[^/\s]+(/[^%]*)?", value):
            raise ValueError("write it like s3://bucket/prefix; a folder is named with --lake")
        return value


class FeatureSettings(_Settings):
    """How events become interactions."""

    half_life_days: Positive | Auto | None = Field(
        "auto",
        description="Days after which an event counts half; null for no decay; auto: what the log "
        "shows.",
    )
    window_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Events older than this many days weigh nothing; null weighs all."
    )
    sequence_length: int = Field(50, ge=1, description="Last actions kept of a user, latest first.")


class PopularitySettings(_Settings):
    """The fallback of everything."""

    half_life_days: Positive | Auto | None = Field(
        "auto",
        description="Days after which an event counts half in popularity; null for no decay; "
        "auto: what the log shows.",
    )


class ModelSettings(_Settings):
    """The sources of candidates, and how they are weighed; what is null is chosen by the log."""

    sources: dict[str, dict[str, Any]] | None = Field(
        None,
        description="Settings of each source by name, as docs/models.md lists them; null: chosen.",
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each of `sources`; null: chosen."
    )
    rerank: bool = Field(
        True,
        description="Try trees over the weighed sources, also such as learn from logged "
        "impressions; they are used where they win.",
    )
    per_source: int = Field(150, ge=1, description="Candidates that a source brings for a user.")
    refit_days: int = Field(
        1,
        ge=1,
        description="Days of the log from one fit to the next. In between the model is kept: users "
        "and new items are folded into it, and only users of whom something has changed are ranked "
        "anew.",
    )
    engine: Literal["auto", "local", "mllib"] = Field(
        "auto",
        description="What fits sources of kind als: local, on the driver's machine, or mllib, "
        "Spark's, on the executors; auto: local while its memory is there.",
    )
    precision: Literal["float32", "float16", "int8"] = Field(
        "float32",
        description="Numbers of the factors that lists are made of: fewer bits make the model's "
        "file smaller, at a loss that `evaluate` measures.",
    )
    memory: str | None = Field(
        None,
        description="Memory that local may take, such as 8g; null: what the machine has left.",
    )

    @model_validator(mode="after")
    def _folds_what_is_exact(self) -> Self:
        if self.refit_days > 1 and self.precision != "float32":
            raise ValueError(
                f"precision {self.precision} is for models that are fitted every day "
                "(refit_days 1): nothing can be folded into rounded factors"
            )
        return self


class TuningSettings(_Settings):
    """How the log is searched for what fits it, on days before the hold-out alone."""

    every_days: int = Field(
        7,
        ge=1,
        description="Days after which the search is made anew; sooner while the history is short: "
        "whenever it has grown by a tenth.",
    )
    max_drift: Positive | None = Field(
        0.2,
        description="Population stability index between the week before the last search and a "
        "later one, by event type, region, device, surface or category, above which the search is "
        "made anew before its time; null: never.",
    )
    max_seconds: Positive = Field(
        300.0, description="After this time nothing further is tried; what was best then holds."
    )
    max_users: int = Field(
        2000, ge=1, description="Users that a validation draws, at most; of several cuts in all."
    )
    min_users: int = Field(
        30, ge=1, description="Validation users below which nothing is chosen, but taken as usual."
    )
    min_clicks: int = Field(
        500,
        ge=1,
        description="Clicks on logged impressions below which no re-ranker learns from them.",
    )
    max_acts: int = Field(
        5_000_000,
        ge=1000,
        description="Days of a user with an item that are looked at, and impressions; of a longer "
        "log a sample of users.",
    )
    seed: int = Field(1, ge=0, description="Seed of the draws.")


class RecommendSettings(_Settings):
    """What a list is."""

    n: int = Field(100, ge=1, le=1000, description="Items a list holds.")
    seen: Literal["exclude", "allow", "auto"] = Field(
        "auto",
        description="exclude: items the user already acted on are left out; auto: as the log "
        "shows.",
    )
    seen_types: tuple[EventType, ...] = Field(
        ("purchase", "rating"), description="Event types that make an item seen."
    )
    rules: str = Field("default", description="Rules of the lists: a file of conf/rules/.")
    block_items: tuple[str, ...] = Field((), description="Item ids that are never recommended.")


class EvaluationSettings(_Settings):
    """The temporal hold-out."""

    holdout_days: int = Field(7, ge=1, description="Last days before as_of, held out for metrics.")
    k: int = Field(10, ge=1, description="Depth of precision, NDCG, MAP and hit rate.")
    recall_k: int = Field(100, ge=1, description="Depth of recall.")
    relevant_types: tuple[EventType, ...] = Field(
        ("purchase",), description="Event types that count as relevant in the hold-out."
    )
    resamples: int = Field(1000, ge=100, description="Bootstrap resamples of users.")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Level of the intervals.")
    seed: int = Field(7, ge=0, description="Seed of the bootstrap.")


class GateSettings(_Settings):
    """What a challenger must show before it is published."""

    metric: str = Field("ndcg", description="The metric compared, at `evaluation.k`.")
    min_users: int = Field(30, ge=1, description="Hold-out users below which no verdict is given.")
    max_loss_to_popularity: Fraction = Field(
        0.0, description="Share by which the metric may fall below popularity's."
    )
    max_loss_to_champion: Fraction = Field(
        0.05, description="Share by which the metric may fall below the champion's."
    )
    evidence: Literal["estimate", "interval"] = Field(
        "estimate",
        description="What must stay within those losses: the mean, or its whole paired interval.",
    )
    min_coverage: Fraction = Field(
        0.01, description="Share of the catalogue in the first `evaluation.k` of some list."
    )


class PublishSettings(_Settings):
    """How publications are kept."""

    keep: int = Field(3, ge=2, description="Edge stores kept for rollback, the live one included.")


class EdgeSettings(_Settings):
    """The embedded store and its service."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(0, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    n: int = Field(10, ge=1, description="Items answered when the request names no n.")
    max_age_seconds: int = Field(300, ge=0, description="Cache-Control max-age of an answer.")


class MlflowSettings(_Settings):
    """Where runs are tracked."""

    tracking_uri: str | None = Field(
        None, description="MLflow server or database; null: SQLite beside the lake."
    )
    experiment: str = Field("recsys-batch", description="Prefix of the experiment's name.")


class TypeRule(_Settings):
    """One line of `EventMapping.types`: the first rule whose condition holds names the type."""

    type: EventType
    when: str = Field("true", description="SQL condition over the source's columns.")


class FileFormat(_Settings):
    """How a source's landing files are written."""

    pattern: str = Field(
        pattern=r"^[^/]", description="Glob below the landing folder, such as events/*.csv."
    )
    optional: bool = Field(
        False, description="Whether no file of it is no error: a source that may come later."
    )
    format: Literal["csv", "jsonl", "parquet"] = Field(
        "csv", description="csv or jsonl, also as .gz or .zst; parquet."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV field separator.")
    header: bool = Field(True, description="The first line of each CSV file names the columns.")
    columns: tuple[str, ...] = Field(
        (),
        description="Column names where CSV files have no header; of JSON, keys that a day's "
        "files may lack.",
    )
    encoding: str = Field("UTF-8", description="Character set of the files.")
    version: int = Field(
        1,
        ge=1,
        description="Raise it to accept files that differ from those before: batches are compared "
        "with those of the same version.",
    )
    growing: Literal["refuse", "append"] = Field(
        "refuse",
        description="What a taken file that now has more lines is: an error, or new lines to take.",
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_keeps_lines(cls, value: str) -> str:
        try:
            lines = b"\n,".decode(codecs.lookup(value).name)
        except LookupError as error:
            raise ValueError(f"there is no character set {value!r}") from error
        if lines != "\n,":
            raise ValueError(f"lines cannot be told apart in {value}; convert the files to UTF-8")
        return value

    @model_validator(mode="after")
    def _columns_are_named(self) -> Self:
        alike = [name.lower() for name in self.columns]
        if len(set(alike)) < len(alike):
            raise ValueError("columns must differ by more than capitals")
        if self.format == "csv" and not self.header and not self.columns:
            raise ValueError("must name the columns of CSV files without a header")
        if self.format == "parquet" and self.growing == "append":
            raise ValueError("Parquet files cannot grow; set `growing: refuse`")
        return self


class EventMapping(FileFormat):
    """Landing files of events, and which column or SQL expression gives each contract field."""

    types: tuple[TypeRule, ...] = Field(min_length=1, description="Ordered event-type rules.")
    new_type_share: Fraction = Field(
        0.01,
        description="Share of a batch's lines from which on event types that no rule takes and "
        "that no batch had stop the run; below it, such lines are only quarantined.",
    )
    time: str = Field(description="Column or SQL expression of the event time.")
    time_format: str = Field(
        "iso", description="iso, epoch_seconds, epoch_millis, or a Spark datetime pattern."
    )
    fields: dict[str, str] = Field(
        description="Contract field -> source column or SQL expression; item_id is required."
    )

    @field_validator("fields")
    @classmethod
    def _item_is_mapped(cls, value: dict[str, str]) -> dict[str, str]:
        return _require_fields(
            value, required={"item_id"}, known=EVENT_FIELDS, called="contract fields"
        )


class ItemMapping(FileFormat):
    """Landing files of the item catalogue."""

    fields: dict[str, str] = Field(
        description="item_id, title, category, price, ... -> column or SQL expression."
    )

    @field_validator("fields")
    @classmethod
    def _item_is_mapped(cls, value: dict[str, str]) -> dict[str, str]:
        return _require_fields(
            value, required={"item_id"}, known=ITEM_FIELDS, called="catalogue fields"
        )


class ProfileMapping(FileFormat):
    """Landing files of what is known of users beside their events."""

    fields: dict[str, str] = Field(
        description="user_id, region, cohort, consent, ... -> column or SQL expression."
    )

    @field_validator("fields")
    @classmethod
    def _user_is_mapped(cls, value: dict[str, str]) -> dict[str, str]:
        return _require_fields(value, required={"user_id"}, known=PROFILE_FIELDS)


class ConsentMapping(FileFormat):
    """Landing files of consent given and withdrawn."""

    fields: dict[str, str] = Field(
        description="user_id, granted, stated_at, purpose -> column or SQL expression."
    )
    other_purposes: tuple[str, ...] = Field(
        (),
        description="Purposes that are none of ours: their lines are quarantined, and any other "
        "that is unknown stops the run.",
    )
    max_quarantined_share: Fraction = Field(
        0.0,
        description="Share of a batch's lines, but for those of `other_purposes`, that may be "
        "quarantined; with more the run stops, as each may be a withdrawal.",
    )

    @field_validator("fields")
    @classmethod
    def _statement_is_mapped(cls, value: dict[str, str]) -> dict[str, str]:
        return _require_fields(
            value, required={"user_id", "granted", "stated_at"}, known=CONSENT_FIELDS
        )


SourceMapping = EventMapping | ItemMapping | ProfileMapping | ConsentMapping


def _require_fields(
    value: dict[str, str], *, required: Set[str], known: Set[str], called: str = "fields"
) -> dict[str, str]:
    if missing := sorted(required - set(value)):
        raise ValueError(f"must map {', '.join(missing)}")
    if unknown := sorted(set(value) - known):
        raise ValueError(f"unknown {called} {unknown}; known: {sorted(known)}")
    return value


class Limits(_Settings):
    """What no sound record exceeds; null sets no limit."""

    max_quantity: Positive | None = Field(
        1e6, description="Records of more pieces, either way, are quarantined."
    )
    max_price: Positive | None = Field(1e7, description="Dearer records are quarantined.")
    max_value: Positive | None = Field(
        1e9, description="Records of a greater value, either way, are quarantined."
    )
    max_line_bytes: Annotated[int, Field(ge=1)] | None = Field(
        1 << 20,
        description="Longer lines (bytes of UTF-8) are quarantined, and their beginning is kept.",
    )
    max_quarantined_share: Fraction | None = Field(
        None,
        description="A batch of 20 lines or more of which more are quarantined stops the run.",
    )
    max_events_per_day: Annotated[int, Field(ge=1)] | None = Field(
        10_000, description="A user with more events on a UTC day is a suspect that day."
    )
    max_events_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        2_000, description="A user with more events in a minute is a suspect that day."
    )


class Freshness(_Settings):
    """How old the newest record of a source may be at the end of a logical day."""

    warn_after_hours: Positive | None = Field(None, description="Older: the run says so.")
    fail_after_hours: Positive | None = Field(
        None, description="Older: the run fails and publishes nothing."
    )

    @model_validator(mode="after")
    def _warns_before_it_fails(self) -> Self:
        warn, fail = self.warn_after_hours, self.fail_after_hours
        if warn is not None and fail is not None and warn > fail:
            raise ValueError("warn_after_hours must not be greater than fail_after_hours")
        return self


class Dataset(_Settings):
    """A user's own files: what they look like and what they mean."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Folder of the lake it lives in.")
    title: str = ""
    landing: str | None = Field(None, description="Default landing folder.")
    time_zone: str = Field("UTC", description="Zone of event times that carry none.")
    events: EventMapping
    items: ItemMapping | None = Field(None, description="The catalogue, if it lands as files.")
    profiles: ProfileMapping | None = Field(
        None, description="What is known of users beside their events, if it lands as files."
    )
    consents: ConsentMapping | None = Field(
        None, description="Consent given and withdrawn by purpose, if it lands as files."
    )
    weights: dict[EventType, float] = Field(
        description="Weight of each event type in training; a type not named weighs nothing."
    )
    max_future_hours: float = Field(
        24.0, ge=0, description="Events later than their landing by more than this are refused."
    )
    limits: Limits = Limits()
    freshness: dict[SourceName, Freshness] = Field(
        default_factory=dict, description="Source -> ages at which it is stale; none: never."
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"there is no time zone {value!r}; write it like Europe/London"
            ) from error
        return value


class Settings(_Settings):
    """Everything a run depends on."""

    dataset: Dataset
    spark: SparkSettings = SparkSettings()
    lake: LakeSettings = LakeSettings()
    features: FeatureSettings = FeatureSettings()
    popularity: PopularitySettings = PopularitySettings()
    model: ModelSettings = ModelSettings()
    tuning: TuningSettings = TuningSettings()
    recommend: RecommendSettings = RecommendSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    publish: PublishSettings = PublishSettings()
    edge: EdgeSettings = EdgeSettings()
    mlflow: MlflowSettings = MlflowSettings()

    def digest(self) -> str:
        """SHA-256 (hex) of the settings that can change a result."""
        content = self.model_dump(
            mode="json",
            exclude={"spark": True, "lake": True, "edge": True, "mlflow": True, "publish": True}
            | {"dataset": {"landing", "title", "freshness"}},
        )
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def conf_folder() -> Path:
    """The configuration folder: ``$RECSYS_BATCH_CONF``, else the project's ``conf/``."""
    return Path(os.environ.get("RECSYS_BATCH_CONF", PROJECT_CONF))


def load_settings(
    dataset: str,
    *,
    conf: Path | None = None,
    environment: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings of a dataset.

    Parameters
    ----------
    dataset
        Name of ``conf/datasets/NAME.yaml``, or a path to such a file.
    conf
        Configuration folder; by default ``$RECSYS_BATCH_CONF``, then the project's ``conf/``.
    environment
        Overlay ``conf/ENVIRONMENT.yaml``; by default ``$RECSYS_BATCH_ENV``, then ``local``.
    overrides
        Dotted keys and values that win over every file, such as ``{"recommend.n": 20}``.

    Raises
    ------
    ConfigError
        A file is missing or not YAML, a key is unknown, or a value is out of range.
    """
    folder = conf or conf_folder()
    overlay = environment or os.environ.get("RECSYS_BATCH_ENV", "local")
    path = Path(dataset)
    if path.suffix not in {".yaml", ".yml"}:
        path = folder / "datasets" / f"{dataset}.yaml"
    if not path.is_file():
        known = sorted(each.stem for each in (folder / "datasets").glob("*.yaml"))
        raise ConfigError(
            f"there is no dataset {dataset!r}",
            where=str(path),
            fix=f"use one of {', '.join(known)}, or make it with `recsys-batch init FILE --name X`",
        )
    merged: dict[str, Any] = {}
    for each in (folder / "base.yaml", folder / f"{overlay}.yaml", path):
        merged = _merge(merged, read_yaml(each))
    for key, value in (overrides or {}).items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        merged = _merge(merged, nested)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise ConfigError(
            f"setting {key!r}: {first['msg'].lower()}",
            where=str(path),
            fix="correct that key here, in conf/base.yaml or in the overlay",
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; raise `ConfigError` where it is missing or not one."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "the configuration file is missing",
            where=str(path),
            fix="restore it, or point $RECSYS_BATCH_CONF at a folder that has it",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"not readable as YAML ({' '.join(str(error).split())})",
            where=str(path),
            fix="correct the file",
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("not a mapping of keys", where=str(path), fix="write `key: value` lines")
    return content


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = _merge(merged[key], value)
        merged[key] = value
    return merged

"""Settings: which file wins, what is refused and how, and what a digest depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from recsys_batch.config import (
    PROJECT_CONF,
    Dataset,
    EventMapping,
    Settings,
    load_settings,
    read_yaml,
)
from recsys_batch.errors import ConfigError

DATASET: dict[str, Any] = {
    "name": "shop",
    "events": {
        "pattern": "*.csv",
        "types": [{"type": "purchase"}],
        "time": "ts",
        "fields": {"item_id": "i"},
    },
    "weights": {"purchase": 1.0},
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A configuration folder of its own."""
    files: dict[str, Any] = {
        "base.yaml": {"tuning": {"max_users": 8, "max_seconds": 2.0}, "recommend": {"n": 20}},
        "local.yaml": {"tuning": {"max_users": 16}},
        "other.yaml": {"tuning": {"max_users": 24}},
        "datasets/shop.yaml": {"dataset": DATASET, "tuning": {"max_seconds": 3.0}},
    }
    (tmp_path / "datasets").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    return tmp_path


def test_later_files_and_overrides_win_key_by_key(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_BATCH_ENV", raising=False)
    settings = load_settings("shop", conf=conf)
    assert (settings.tuning.max_users, settings.tuning.max_seconds) == (16, 3.0)
    assert settings.recommend.n == 20
    assert load_settings("shop", conf=conf, environment="other").tuning.max_users == 24
    monkeypatch.setenv("RECSYS_BATCH_ENV", "other")
    monkeypatch.setenv("RECSYS_BATCH_CONF", str(conf))
    assert load_settings("shop").tuning.max_users == 24
    found = load_settings("shop", overrides={"tuning.max_users": 4, "recommend.block_items": ["x"]})
    assert (found.tuning.max_users, found.tuning.max_seconds) == (4, 3.0)
    assert found.recommend.block_items == ("x",)


def test_a_dataset_may_be_a_path(conf: Path) -> None:
    by_path = load_settings(str(conf / "datasets" / "shop.yaml"), conf=conf)
    assert by_path == load_settings("shop", conf=conf)


@pytest.mark.parametrize("name", [path.stem for path in (PROJECT_CONF / "datasets").glob("*.yaml")])
def test_shipped_datasets_are_valid_with_each_overlay(name: str) -> None:
    for overlay in ("local", "cluster", "compose"):
        if (PROJECT_CONF / f"{overlay}.yaml").is_file():
            assert load_settings(name, environment=overlay).dataset.name == name


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("tuning.seeds", 8, "tuning.seeds"),
        ("tuning.max_users", 0, "tuning.max_users"),
        ("tuning.max_users", "many", "tuning.max_users"),
        ("tuning.max_seconds", float("inf"), "tuning.max_seconds"),
        ("features.half_life_days", 0, "features.half_life_days"),
        ("features.half_life_days", "none", "features.half_life_days"),
        ("popularity.half_life_days", -1, "popularity.half_life_days"),
        ("recommend.seen", "some", "recommend.seen"),
        ("model.per_source", 0, "model.per_source"),
        ("model.sources", ["als"], "model.sources"),
        ("als.factors", 32, "als"),
        ("dataset.weights.purchase", float("nan"), "dataset.weights.purchase"),
        ("dataset.weights.buy", 1.0, "dataset.weights.buy"),
        ("lake.tables", "/a/folder", "write it like s3://bucket/prefix"),
        ("lake.tables", "s3://", "write it like s3://bucket/prefix"),
        ("dataset.name", "No Folder", "dataset.name"),
        ("dataset.time_zone", "Europe/Londn", "there is no time zone 'europe/londn'"),
        ("dataset.time_zone", "Europe", "there is no time zone"),
        ("dataset.events.pattern", "/abs/*.csv", "dataset.events.pattern"),
        ("dataset.events.pattern", "", "dataset.events.pattern"),
        ("dataset.events.encoding", "utf-99", "there is no character set"),
        ("dataset.events.encoding", "UTF-16", "convert the files to utf-8"),
        ("dataset.events.encoding", "base64", "character set"),
        ("dataset.events.header", False, "name the columns of csv files without a header"),
        ("dataset.events.columns", ["a", "A"], "differ by more than capitals"),
        ("dataset.events.delimiter", "::", "dataset.events.delimiter"),
        ("dataset.events.types", [], "dataset.events.types"),
        ("dataset.events.types", [{"type": "buy"}], "dataset.events.types.0.type"),
        ("dataset.events.fields", {"item_id": "i", "colour": "c"}, "unknown contract fields"),
        ("dataset.items", {"pattern": "*", "fields": {"title": "t"}}, "must map item_id"),
    ],
)
def test_wrong_settings_name_key_and_file(conf: Path, key: str, value: Any, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings("shop", conf=conf, overrides={key: value})
    assert found in str(caught.value)
    assert str(conf / "datasets" / "shop.yaml") in str(caught.value)
    assert caught.value.exit_code == 2


def test_events_must_map_the_item() -> None:
    with pytest.raises(ValidationError, match="must map item_id"):
        EventMapping.model_validate({**DATASET["events"], "fields": {"user_id": "u"}})


def test_an_unknown_dataset_names_those_there_are(conf: Path) -> None:
    with pytest.raises(ConfigError, match=r"no dataset 'shoop'; use one of shop, or make it"):
        load_settings("shoop", conf=conf)


def test_a_missing_overlay_is_named(conf: Path) -> None:
    with pytest.raises(ConfigError, match=r"moon.yaml: the configuration file is missing"):
        load_settings("shop", conf=conf, environment="moon")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a: [1", "not readable as YAML"),
        (b"- a\n- b\n", "not a mapping of keys"),
        (b"\xff\xfe", "not readable as YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "not readable as YAML"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=found) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "x.yaml") == {}


def test_settings_cannot_be_changed() -> None:
    settings = Settings(dataset=Dataset.model_validate(DATASET))
    with pytest.raises(ValidationError, match="frozen"):
        settings.tuning = settings.tuning  # type: ignore[misc]


def test_what_is_chosen_by_the_log_may_be_named_or_left_open(conf: Path) -> None:
    open_ = load_settings("shop", conf=conf)
    assert open_.features.half_life_days == open_.popularity.half_life_days == "auto"
    assert (open_.recommend.seen, open_.model.sources, open_.model.weights) == ("auto", None, None)
    named = load_settings(
        "shop",
        conf=conf,
        overrides={
            "features.half_life_days": None,
            "popularity.half_life_days": 3,
            "recommend.seen": "allow",
            "model.sources": {"again": {"kind": "repeat"}},
        },
    )
    assert (named.features.half_life_days, named.popularity.half_life_days) == (None, 3.0)
    assert named.recommend.seen == "allow"
    assert named.model.sources == {"again": {"kind": "repeat"}}


def test_the_digest_follows_results_only(conf: Path) -> None:
    def digest(**overrides: Any) -> str:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_settings("shop", conf=conf, overrides=dotted).digest()

    same = digest()
    assert digest(spark__shuffle_partitions=99) == same
    assert digest(lake__tables="s3://bucket/a b/c/") == same
    assert digest(edge__port=1234, mlflow__tracking_uri="http://x", publish__keep=9) == same
    assert digest(dataset__title="Shop", dataset__landing="/data") == same
    assert digest(dataset__freshness__events__fail_after_hours=5) == same
    changed = [
        digest(tuning__seed=2),
        digest(features__half_life_days=None),
        digest(dataset__weights__view=0.1),
        digest(dataset__time_zone="Asia/Tokyo"),
        digest(dataset__limits__max_events_per_day=9),
        digest(evaluation__holdout_days=8),
        digest(recommend__seen="allow"),
    ]
    assert len({same, *changed}) == 1 + len(changed)


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8-sig", "latin-1", "cp1252", "shift_jis"])
def test_encodings_that_keep_lines_apart_are_taken(encoding: str) -> None:
    given = {**DATASET["events"], "encoding": encoding}
    assert EventMapping.model_validate(given).encoding == encoding

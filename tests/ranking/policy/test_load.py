"""Rules as files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from recsys_batch.config import PROJECT_CONF
from recsys_batch.errors import ConfigError
from recsys_batch.ranking.policy import Policy, load_policy
from recsys_batch.ranking.policy.base import Group


def write(folder: Path, text: str) -> Path:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "mine.yaml").write_text(text)
    return folder


def test_the_rules_that_ship_only_see_to_it_that_new_items_are_shown_below_the_first_ten() -> None:
    rules = load_policy("default", conf=PROJECT_CONF)
    assert rules == Policy(version=rules.version, floors=rules.floors)
    (floor,) = rules.floors
    assert floor.group == Group(newer_than_days=7)
    assert floor.audience.is_everybody()
    assert floor.share * 10 < 1


def test_every_example_is_valid() -> None:
    files = sorted((PROJECT_CONF / "rules").glob("*.yaml"))
    assert len(files) > 1
    for path in files:
        assert load_policy(str(path)).version == load_policy(path.stem).version


def test_the_example_shows_every_key() -> None:
    text = yaml.safe_load((PROJECT_CONF / "rules" / "example.yaml").read_text())
    assert set(text) == set(Policy.model_fields)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    write(tmp_path, "version: 'a'\npins: [{item: x, position: 3}]\n")
    one = load_policy("mine", conf=tmp_path).digest()
    write(tmp_path, "# a comment\npins:\n- position: 3\n  item: x\nversion: a\n")
    assert load_policy("mine", conf=tmp_path).digest() == one
    write(tmp_path, "version: a\npins: [{item: x, position: 4}]\n")
    assert load_policy("mine", conf=tmp_path).digest() != one


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: a\nblock: {}\n", "rule 'block': extra inputs"),
        ("safety: {}\n", "rule 'version': field required"),
        ("version: 1\n", "put ids, keys and versions in quotes"),
        (
            "version: a\neverywhere: {block: {items: [85123]}}\n",
            r"rule 'everywhere.block.items.0': input should be a valid string",
        ),
        ("version: a\neverywhere: {allow: {}}\n", "'everywhere.allow': .*names no items"),
        ("version: a\neverywhere: {price: {least: 3, most: 2}}\n", "least must not be greater"),
        ("version: a\ncaps: [{most: 2}]\n", "'caps.0': .*either group or each"),
        ("version: a\nfloors: [{group: {tags: [x]}, share: 2}]\n", r"'floors\.0\.share'"),
        ("version: a\nexploration: {positions: [3, 3]}\n", "positions must be distinct"),
        ("version: a\nexploration: {positions: [0]}\n", "positions count from 1"),
        ("version: a\nrepeat: {bought: {}}\n", "'repeat.bought"),
        ("- version\n", "not a mapping"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_policy("mine", conf=write(tmp_path, text))
    assert caught.value.where.endswith("rules/mine.yaml")


def test_unknown_rules_name_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use one of mine"):
        load_policy("yours", conf=write(tmp_path, "version: a\n"))

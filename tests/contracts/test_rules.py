"""The rules as data: each has a reason of its own, and a digest tells any change of them."""

from __future__ import annotations

import dataclasses
import re

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import EventMapping
from recsys_batch.contracts.rules import (
    EVENT_RULES,
    ITEM_RULES,
    Rule,
    contract_digest,
    with_verdict,
)

MAPPING = {
    "pattern": "*",
    "types": [{"type": "purchase"}],
    "time": "ts",
    "fields": {"item_id": "i", "user_id": "u"},
}


@pytest.mark.parametrize("rules", [EVENT_RULES, ITEM_RULES])
def test_each_reason_stands_once_and_is_a_word(rules: tuple[Rule, ...]) -> None:
    reasons = [rule.reason for rule in rules]
    assert len(set(reasons)) == len(reasons)
    assert all(reason.replace("_", "").replace("8", "").isalpha() for reason in reasons)


@pytest.mark.parametrize("rules", [EVENT_RULES, ITEM_RULES])
def test_no_detail_can_show_a_user(rules: tuple[Rule, ...]) -> None:
    """A detail is made of the fields named, and neither the user nor the whole line is one."""
    for rule in rules:
        code = re.sub(r"'[^']*'", "", rule.detail)
        assert not re.search(r"user|record|given_id", code), rule


@pytest.mark.spark
def test_the_first_broken_rule_gives_reason_and_detail_and_null_breaks_none(
    spark: SparkSession,
) -> None:
    rules = (
        Rule("small", "n < 0", "concat('n is ', n)"),
        Rule("odd", "n % 2 = 1", "'odd'"),
        Rule("odd_or_small", "n < 2", "'not reached by -1 and 1'"),
    )
    frame = spark.createDataFrame([(-1,), (0,), (1,), (4,), (None,)], "n INT")
    judged = with_verdict(frame, rules)
    assert {row["n"]: (row["reason"], row["detail"]) for row in judged.collect()} == {
        -1: ("small", "n is -1"),
        0: ("odd_or_small", "not reached by -1 and 1"),
        1: ("odd", "odd"),
        4: (None, None),
        None: (None, None),
    }
    assert frame.columns == ["n"]


def test_the_contract_digest_changes_with_mapping_and_rules_only() -> None:
    mapping = EventMapping.model_validate(MAPPING)
    digest = contract_digest(mapping, EVENT_RULES)
    turned = EventMapping.model_validate(
        {**MAPPING, "fields": dict(reversed(MAPPING["fields"].items()))}  # type: ignore[attr-defined]
    )
    assert contract_digest(turned, EVENT_RULES) == digest
    assert len(digest) == 16
    later = mapping.model_copy(update={"time": "time"})
    changed = (dataclasses.replace(EVENT_RULES[0], broken_when="false"), *EVENT_RULES[1:])
    others = {
        contract_digest(later, EVENT_RULES),
        contract_digest(mapping, changed),
        contract_digest(mapping, EVENT_RULES[1:]),
        contract_digest(mapping, tuple(reversed(EVENT_RULES))),
    }
    assert len(others | {digest}) == 5

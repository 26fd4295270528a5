"""The rules of the event and catalogue contracts: the first that a line breaks names its reason.

A rule's condition is SQL over the mapped fields, each still a string beside its parsed value:
``price_text`` is what landed and ``price`` the number, null where it is none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventMapping, ItemMapping

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Rule:
    """One way to break a contract.

    Attributes
    ----------
    reason
        Code kept in quarantine.
    broken_when
        SQL condition; null counts as not broken.
    detail
        SQL expression of a sentence on what was found. It never shows a user id.
    """

    reason: str
    broken_when: str
    detail: str


def _not_a_number(name: str) -> Rule:
    return Rule(
        f"bad_{name}",
        f"{name}_text IS NOT NULL AND ({name} IS NULL OR abs({name}) = double('Infinity'))",
        f"concat('{name} is not a number: ', {name}_text)",
    )


MALFORMED = (
    Rule("not_utf8", "NOT valid_text", "'the line is not valid in the declared encoding'"),
    Rule("malformed", "malformed", "'the line is not one whole record of its file'"),
)

EVENT_RULES = (
    *MALFORMED,
    Rule("missing_item", "item_id IS NULL", "'no item id'"),
    Rule("missing_time", "event_time_text IS NULL AND event_time IS NULL", "'no event time'"),
    Rule("bad_time", "event_time IS NULL", "concat('the time cannot be read: ', event_time_text)"),
    Rule(
        "time_out_of_range",
        "event_time < TIMESTAMP'1990-01-01 00:00:00'",
        "concat('the time is before 1990: ', event_time)",
    ),
    Rule(
        "future_time",
        "event_time > latest_time",
        "concat('the time lies after the landing: ', event_time)",
    ),
    Rule("unknown_type", "event_type IS NULL", "'no rule of events.types holds'"),
    *(_not_a_number(name) for name in ("value", "quantity", "price", "position", "propensity")),
    Rule(
        "negative_quantity",
        "quantity <= 0 AND event_type <> 'cancel'",
        "concat('quantity ', quantity, ' of a ', event_type)",
    ),
    Rule("negative_price", "price < 0", "concat('price ', price)"),
    Rule("position_out_of_range", "position < 1", "concat('position ', position)"),
    Rule(
        "propensity_out_of_range",
        "propensity <= 0 OR propensity > 1",
        "concat('propensity ', propensity)",
    ),
    Rule(
        "bad_consent",
        "consent_text IS NOT NULL AND consent IS NULL",
        "concat('consent is neither true nor false: ', consent_text)",
    ),
)

ITEM_RULES = (
    *MALFORMED,
    Rule("missing_item", "item_id IS NULL", "'no item id'"),
    _not_a_number("price"),
    Rule("negative_price", "price < 0", "concat('price ', price)"),
    Rule(
        "bad_time",
        "valid_from_text IS NOT NULL AND valid_from IS NULL",
        "concat('valid_from cannot be read: ', valid_from_text)",
    ),
)


def with_verdict(frame: DataFrame, rules: tuple[Rule, ...]) -> DataFrame:
    """Add ``reason`` and ``detail`` of the first rule that a row breaks; null for a good row."""
    from pyspark.sql import functions as F

    broken = [F.when(F.expr(rule.broken_when), F.lit(rule.reason)) for rule in rules]
    details = " ".join(f"WHEN '{rule.reason}' THEN {rule.detail}" for rule in rules)
    judged = frame.withColumn(c.REASON, F.coalesce(*broken))
    return judged.withColumn(c.DETAIL, F.expr(f"CASE {c.REASON} {details} END"))


def contract_digest(mapping: EventMapping | ItemMapping, rules: tuple[Rule, ...]) -> str:
    """Digest (16 hex digits) of what lines are read with: mapping and rules."""
    content = [mapping.model_dump(mode="json"), [list(vars(rule).values()) for rule in rules]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

"""The rules of the contracts: the first that a line breaks names its reason.

A rule's condition is SQL over the mapped fields, each that is not text still a string beside its
parsed value: ``price_text`` is what landed and ``price`` the number, null where it is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import SourceMapping
from recsys_batch.odcs.load import contract
from recsys_batch.odcs.model import Bound, Contract, Property, QuarantineCheck, SchemaObject

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


OVERSIZED = "oversized"
MALFORMED = (
    Rule(
        OVERSIZED,
        "octet_length(record) > max_line_bytes",
        "concat('the line has more bytes than limits.max_line_bytes of ', max_line_bytes)",
    ),
    Rule("not_utf8", "NOT valid_text", "'the line is not valid in the declared encoding'"),
    Rule(
        "malformed",
        "malformed",
        "'not one whole record of its file: too few or too many columns, or a quote that is not "
        "closed within limits.max_line_bytes'",
    ),
)


def rules_of(contract: Contract) -> tuple[Rule, ...]:
    """The rules of a contract in its order, after those of the line itself."""
    return (*MALFORMED, *(_rule(contract.table, each) for each in contract.table.rules))


def _rule(table: SchemaObject, check: QuarantineCheck) -> Rule:
    given = check.implementation
    if given.column is None or given.violates is None:
        return Rule(check.name, str(given.condition), str(given.detail))
    column = table.column(given.column)
    condition, detail = _VIOLATIONS[given.violates](column)
    return Rule(check.name, condition, given.detail or detail)


def _nothing(column: Property) -> tuple[str, str]:
    return f"{_landed(column)} IS NULL", f"'no {column.name}'"


def _unreadable(column: Property) -> tuple[str, str]:
    name, text = column.name, _landed(column)
    if column.logical_type in {"number", "integer"}:
        broken = f"({name} IS NULL OR abs({name}) = double('Infinity'))"
        found = f"{name} is not a number: "
    else:
        broken = f"{name} IS NULL"
        boolean = column.logical_type == "boolean"
        found = f"{name} is neither true nor false: " if boolean else f"{name} cannot be read: "
    return f"{text} IS NOT NULL AND {broken}", f"concat('{found}', {text})"


def _out_of_range(column: Property) -> tuple[str, str]:
    options = column.logical_type_options
    bounds = (
        ("<", options.minimum),
        ("<=", options.exclusive_minimum),
        (">", options.maximum),
        (">=", options.exclusive_maximum),
    )
    sides = [
        f"{column.name} {sign} {_literal(column, bound)}"
        for sign, bound in bounds
        if bound is not None
    ]
    return " OR ".join(sides), f"concat('{column.name} ', {column.name})"


_VIOLATIONS: dict[str, Callable[[Property], tuple[str, str]]] = {
    "required": _nothing,
    "type": _unreadable,
    "range": _out_of_range,
}


def _landed(column: Property) -> str:
    """The text that landed, where the column is not text itself."""
    return column.name if column.logical_type == "string" else f"{column.name}_text"


def _literal(column: Property, bound: Bound) -> str:
    if column.logical_type in {"number", "integer"}:
        return f"{bound:g}"
    return f"{column.logical_type.upper()}'{bound}'"


EVENT_RULES = rules_of(contract("events"))
ITEM_RULES = rules_of(contract("items"))
PROFILE_RULES = rules_of(contract("profiles"))
CONSENT_RULES = rules_of(contract("consents"))


def with_verdict(frame: DataFrame, rules: tuple[Rule, ...]) -> DataFrame:
    """Add ``reason`` and ``detail`` of the first rule that a row breaks; null for a good row."""
    from pyspark.sql import functions as F

    broken = [F.when(F.expr(rule.broken_when), F.lit(rule.reason)) for rule in rules]
    details = " ".join(f"WHEN '{rule.reason}' THEN {rule.detail}" for rule in rules)
    judged = frame.withColumn(c.REASON, F.coalesce(*broken))
    detail = F.when(F.col(c.REASON).isNotNull(), F.expr(f"CASE {c.REASON} {details} END"))
    return judged.withColumn(c.DETAIL, detail)


def contract_digest(mapping: SourceMapping, rules: tuple[Rule, ...]) -> str:
    """Digest (16 hex digits) of what lines are read with: mapping and rules."""
    content = [mapping.model_dump(mode="json"), [list(vars(rule).values()) for rule in rules]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

"""The documents follow the standard and agree with themselves; all else is made from them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner

from recsys_batch import columns as c
from recsys_batch.cli import main
from recsys_batch.config import EVENT_FIELDS, ITEM_FIELDS, EventType
from recsys_batch.contracts.promises import contract_checks
from recsys_batch.contracts.rules import rules_of
from recsys_batch.errors import ContractError
from recsys_batch.lake.tables import TABLES
from recsys_batch.odcs.load import contract, contract_names, contract_path, read_contract
from recsys_batch.odcs.model import Contract

# Keys and words of the Open Data Contract Standard 3.1.0, by the place where they may stand:
# https://bitol-io.github.io/open-data-contract-standard/v3.1.0/
TOP_REQUIRED = {"version", "apiVersion", "kind", "id", "status"}
TOP = TOP_REQUIRED | {
    *("name", "tenant", "tags", "servers", "dataProduct", "description", "domain", "schema"),
    *("support", "price", "team", "roles", "slaProperties", "authoritativeDefinitions"),
    *("customProperties", "contractCreatedTs"),
}
ELEMENT = {
    *("id", "name", "physicalType", "description", "businessName", "authoritativeDefinitions"),
    *("tags", "customProperties", "quality", "relationships", "physicalName", "logicalType"),
}
OBJECT = ELEMENT | {"dataGranularityDescription", "properties"}
PROPERTY = ELEMENT | {
    *("primaryKey", "primaryKeyPosition", "logicalTypeOptions", "required", "unique"),
    *("partitioned", "partitionKeyPosition", "classification", "encryptedName", "examples"),
    *("transformSourceObjects", "transformLogic", "transformDescription", "criticalDataElement"),
}
RANGE = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"}
OPTIONS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "date": RANGE,
    "timestamp": RANGE | {"timezone", "defaultTimezone"},
    "time": RANGE | {"timezone", "defaultTimezone"},
    "integer": RANGE | {"multipleOf"},
    "number": RANGE | {"multipleOf"},
    "boolean": set(),
    "array": {"minItems", "maxItems", "uniqueItems"},
    "object": {"minProperties", "maxProperties", "required"},
}
OPERATORS = {
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan"),
    *("mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween"),
}
METRICS = {"nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"}
CHECK = {"id", "type", "name", "description", "dimension", "severity", "unit", "customProperties"}

NAMES = contract_names()


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(contract_path(name).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_written_as_the_standard_says(name: str) -> None:
    found = document(name)
    assert set(found) >= TOP_REQUIRED
    assert set(found) <= TOP
    assert (found["apiVersion"], found["kind"]) == ("v3.1.0", "DataContract")
    assert set(found["description"]) <= {"purpose", "usage", "limitations", "customProperties"}
    for each in found["schema"]:
        assert set(each) <= OBJECT
        assert each["logicalType"] == "object"
        for column in each["properties"]:
            assert set(column) <= PROPERTY, column["name"]
            assert set(column.get("logicalTypeOptions", {})) <= OPTIONS[column["logicalType"]]
        for owner in (each, *each["properties"]):
            assert all(
                {"property", "value"} <= set(own) <= {"id", "property", "value", "description"}
                for own in owner.get("customProperties", ())
            )
            for check in owner.get("quality", ()):
                operators = OPERATORS & set(check)
                if check["type"] == "custom":
                    assert set(check) <= CHECK | {"engine", "implementation"}
                    assert {"engine", "implementation"} <= set(check)
                else:
                    assert check["type"] == "library"
                    assert set(check) - operators <= CHECK | {"metric", "arguments"}
                    assert check["metric"] in METRICS
                    assert len(operators) == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_a_column_promises_has_its_rule(name: str) -> None:
    """A dirty value never becomes null, and none outside its range passes, without a reason."""
    table = contract(name).table
    ruled = {(each.implementation.violates, each.implementation.column) for each in table.rules}
    for column in table.properties:
        if column.mapping is None:
            continue
        options = column.logical_type_options
        if column.logical_type != "string":
            assert ("type", column.name) in ruled
            if options != type(options)():
                assert ("range", column.name) in ruled
        if column.required and column.name not in {c.EVENT_ID}:  # made, where it is not given
            assert ("required", column.name) in ruled


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_of_the_vocabulary_and_the_table_is_made_of_them(name: str) -> None:
    made = contract(name).table
    names = tuple(each.name for each in made.properties)
    assert set(names) <= {value for key, value in vars(c).items() if key.isupper()}
    table = TABLES[made.physical_name.split("/")[1]]
    assert table.names == (*names, c.BATCH_SEQ)
    assert set(table.keys) <= set(names)


def test_a_part_asks_for_columns_of_its_table_as_they_are_there() -> None:
    events = contract("events")
    (impressions,) = events.parts
    assert [each.name for each in impressions.properties if each.required] == [
        c.REQUEST_ID,
        c.POSITION,
    ]
    for each in impressions.properties:
        there = events.table.column(each.name)
        assert each.model_copy(update={"required": there.required}) == there
    warned = [check for check in contract_checks(events) if check.severity == "warning"]
    assert [check.column for check in warned] == [c.REQUEST_ID, c.POSITION]
    assert {check.arguments["row_condition"] for check in warned} == {"event_type = 'impression'"}


def test_settings_take_their_words_from_the_contracts() -> None:
    assert get_args(EventType) == contract("events").table.column(c.EVENT_TYPE).valid_values
    assert "impression" in get_args(EventType)
    assert {"user_id", "item_id", "consent"} <= EVENT_FIELDS
    assert not {c.USER_KEY, c.EVENT_TIME, c.EVENT_DATE} & EVENT_FIELDS
    assert set(contract("items").fields) == ITEM_FIELDS


def changed(tmp_path: Path, change: Any) -> Contract:
    content = copy.deepcopy(document("items"))
    change(content)
    path = tmp_path / "items.odcs.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return read_contract(path)


def test_a_column_and_its_rules_come_from_the_document_alone(tmp_path: Path) -> None:
    def stock(content: dict[str, Any]) -> None:
        table = content["schema"][0]
        table["properties"].append(
            {
                "name": "stock",
                "logicalType": "integer",
                "physicalType": "INT",
                "description": "pieces at hand",
                "logicalTypeOptions": {"minimum": 0, "exclusiveMaximum": 1e6},
                "customProperties": [{"property": "mapping", "value": "fields.stock"}],
            }
        )
        for reason, fact in (("bad_stock", "type"), ("stock_out_of_range", "range")):
            rule = {"violates": fact, "column": "stock"}
            table["quality"].append(
                {
                    "name": reason,
                    "type": "custom",
                    "engine": "recsys-batch",
                    "implementation": rule,
                }
            )

    made = changed(tmp_path, stock)
    assert "stock" in made.fields
    *_, unread, outside = rules_of(made)
    assert (unread.reason, outside.reason) == ("bad_stock", "stock_out_of_range")
    assert outside.broken_when == "stock < 0 OR stock >= 1e+06"
    assert outside.detail == "concat('stock ', stock)"
    checks = {each.expectation: each for each in contract_checks(made) if each.column == "stock"}
    assert set(checks) == {"ExpectColumnValuesToBeOfType", "ExpectColumnValuesToBeBetween"}
    between = checks["ExpectColumnValuesToBeBetween"]
    assert between.meaning == "stock is null or at least 0 and below 1e+06"
    assert between.arguments["strict_max"] is True


def broken() -> Iterator[tuple[str, Any, str]]:
    def rule(**given: str) -> Any:
        def change(content: dict[str, Any]) -> None:
            content["schema"][0]["quality"][0]["implementation"] = given

        return change

    yield "an unknown key", lambda content: content.update(owner="me"), "owner"
    yield "an old standard", lambda content: content.update(apiVersion="v2.2.2"), "apiVersion"
    yield "a version of words", lambda content: content.update(version="new"), "version"
    yield "no column so named", rule(violates="type", column="colour"), "colour"
    yield "a fact and a condition", rule(violates="type", column="price", condition="1"), "either"
    yield "no detail", rule(condition="price < 1"), "detail"


@pytest.mark.parametrize(("change", "named"), [each[1:] for each in broken()])
def test_a_document_that_is_wrong_is_refused_by_name(
    tmp_path: Path, change: Any, named: str
) -> None:
    with pytest.raises(ContractError, match=named) as caught:
        changed(tmp_path, change)
    assert str(tmp_path / "items.odcs.yaml") in str(caught.value)


def test_the_command_prints_documents_and_lists_them() -> None:
    run = CliRunner().invoke
    listed = run(main, ["contract"]).output.splitlines()
    assert [line.split()[:2] for line in listed] == [
        [name, contract(name).version] for name in NAMES
    ]
    assert run(main, ["contract", "events"]).output == contract_path("events").read_text()
    assert json.loads(run(main, ["contract", "items", "--json"]).output) == document("items")
    refused = run(main, ["contract", "nothing"])
    assert refused.exit_code == ContractError.exit_code
    assert "there is no contract 'nothing'" in refused.output

"""Lines to columns: what a CSV or JSON line says, and which lines are none."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_batch.errors import MappingError
from recsys_batch.ingest.parse import json_types, landed_columns, mapped, parse_csv, parse_jsonl

from .shops import shop

pytestmark = pytest.mark.spark


def raw(spark: SparkSession, lines: list[str]) -> DataFrame:
    rows = [("f", number, line) for number, line in enumerate(lines, start=1)]
    return spark.createDataFrame(rows, "file STRING, line BIGINT, record STRING")


CSV = {
    "a,b,c": ("a", "b", "c"),
    ",,": (None, None, None),
    '"a,1","say ""b""",c': ("a,1", 'say "b"', "c"),
    '"",b,c': (None, "b", "c"),
    'a,b"2,c': ("a", 'b"2', "c"),
    ' a ,b, "c"': (" a ", "b", ' "c"'),
    'a,b,"c"': ("a", "b", "c"),
    'a,",",c': ("a", ",", "c"),
    'a,"b,""",c': ("a", 'b,"', "c"),
    "a,b\\,c": ("a", "b\\", "c"),
    "a,b,#c": ("a", "b", "#c"),
    # not one record
    "a,b": None,
    "a,b,c,d": None,
    'a,b,"c': None,
    'a,"b,c': None,
    '"a,b,c': None,
    'a,b,"c""': None,
    "," * 21_000: None,
    '"' * 9_999: None,
}


def test_csv_lines(spark: SparkSession) -> None:
    frame = parse_csv(raw(spark, list(CSV)), shop().events, ("x", "y y", "z`.z"))
    rows = frame.select("*", *landed_columns()).collect()
    found = {row["record"]: None if row["malformed"] else tuple(row)[1:4] for row in rows}
    assert found == CSV


def test_another_delimiter(spark: SparkSession) -> None:
    mapping = shop(delimiter="|").events
    lines = ['a|"b|c"', "a|b,c", 'a|"b', 'a,"b|c']
    rows = parse_csv(raw(spark, lines), mapping, ("x", "y")).collect()
    assert [(row["x"], row["y"]) for row in rows if not row["_landed"]["malformed"]] == [
        ("a", "b|c"),
        ("a", "b,c"),
        ('a,"b', "c"),
    ]


def test_json_lines(spark: SparkSession) -> None:
    lines = ['{"a": 1, "b": {"c": [1, 2]}}', ' {"a": "é\\n\\"", "B": true, "a b": null} ', "{}"]
    lines += ['{"twice": {"x": 1, "x": 2}}']
    bad = [
        *('{"a": 1', '{"a": 1}{"a": 2}', '{"a": 1} x', '{"a": 1}, {"a": 2}', '{"a": 1}]'),
        *("[1]", '[{"a": 1}]', "null", "5", '"a"', "{a: 1}x", "\ufeff"),
    ]
    frame = raw(spark, [*lines, *bad])
    keys = json_types(frame)
    assert list(keys.items()) == [
        ("B", {"boolean": 1}),
        ("a", {"number": 1, "text": 1}),
        ("a b", {}),
        ("b", {"object": 1}),
        ("twice", {"object": 1}),
    ]
    rows = parse_jsonl(frame, list(keys)).select("*", *landed_columns()).collect()
    found = {row["line"]: (row["a"], row["b"], row["a b"]) for row in rows if not row["malformed"]}
    assert found == {
        1: ("1", '{"c":[1,2]}', None),
        2: ('é\n"', "true", None),
        3: (None, None, None),
        4: (None, None, None),
    }


def test_fields_are_columns_or_sql_and_empty_is_null(spark: SparkSession) -> None:
    frame = parse_csv(raw(spark, ["  a , ,3"]), shop().events, ("Item Id", "b", "c"))
    fields = {"item": "item id", "other": "b", "sum": "cast(c AS int) + 1", "fixed": "'x'"}
    column = mapped(frame, fields, where="here")
    row = frame.select(*(each.alias(name) for name, each in column.items())).collect()[0]
    assert row.asDict() == {"item": "a", "other": None, "sum": "4", "fixed": "x"}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("Quantiti", "there is no column 'Quantiti' (did you mean 'Quantity'?)"),
        ("upper(Prise)", "maps to 'upper(Prise)', but there is no column 'Prise' (did you mean"),
        ("zzz", "there is no column 'zzz'; map it to one of Quantity, Price"),
        ("upper(", "neither a column nor SQL"),
        ("nosuchfunction(Price)", "neither a column nor SQL"),
    ],
)
def test_unresolvable_fields_say_what_there_is(
    spark: SparkSession, expression: str, found: str
) -> None:
    frame = parse_csv(raw(spark, []), shop().events, ("Quantity", "Price"))
    with pytest.raises(MappingError) as caught:
        mapped(frame, {"price": "price", "quantity": expression}, where="a.csv")
    assert found in str(caught.value)
    assert str(caught.value).startswith("a.csv: field 'quantity' maps to")


@pytest.mark.parametrize("expression", ["user", "upper(who)"])  # the first is Spark's, too
def test_of_a_file_without_a_header_no_value_is_shown(spark: SparkSession, expression: str) -> None:
    values = ("2026-01-01", "anna", "users", "1", "true")
    frame = parse_csv(raw(spark, []), shop().events, values)
    # `consent` and `value` are no columns, though the line holds what they say
    fields = {"user_id": expression, "item_id": "item", "consent": "true", "value": "(1)"}
    with pytest.raises(MappingError) as caught:
        mapped(frame, fields, where="a.csv")
    said = str(caught.value)
    name = expression.removeprefix("upper(").removesuffix(")")
    assert f"there is no column '{name}' among 5 columns, none of which has a name that" in said
    assert f"the names looked for are {name}, item: " in said
    assert "header: false" in said
    assert not any(each in said for each in ("2026", "anna", "users"))

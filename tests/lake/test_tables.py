"""The registry of tables agrees with itself and with the vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_batch import columns as c
from recsys_batch.lake.dictionary import dictionary
from recsys_batch.lake.tables import TABLES, Table

PERSONAL = {c.USER_KEY, "record", "user_id"}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_keys_and_partitions_are_columns_and_every_column_has_a_meaning(table: Table) -> None:
    assert len(set(table.names)) == len(table.names)
    assert table.keys
    assert set(table.keys) <= set(table.names)
    assert set(table.partition_by) <= set(table.names)
    assert all(meaning.strip() for _, _, meaning in table.columns)
    assert table.summary


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_person_is_in_a_folder_name_or_past_bronze_in_the_raw(table: Table) -> None:
    assert not PERSONAL & set(table.partition_by)
    if table.layer != "bronze":
        assert not {"record", "user_id"} & set(table.names)


def test_a_column_has_one_type_wherever_it_stands() -> None:
    kinds: dict[str, set[str]] = {}
    for table in TABLES.values():
        for name, kind, _ in table.columns:
            kinds.setdefault(name, set()).add(kind)
    several = {name for name, found in kinds.items() if len(found) > 1}
    assert not several


def test_the_data_dictionary_is_of_these_tables() -> None:
    written = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
    assert written.read_text(encoding="utf-8") == dictionary()


@pytest.mark.spark
def test_every_schema_is_one_that_spark_reads(spark: object) -> None:
    for table in TABLES.values():
        frame = spark.createDataFrame([], table.ddl)  # type: ignore[attr-defined]
        assert tuple(frame.columns) == table.names

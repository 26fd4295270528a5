"""Event types that no rule takes, told by name only where they look like names of types.

What stands in the type's column of a file whose columns are swapped is anything, a user id too, and
what is told of it is kept past bronze and logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventMapping, SourceMapping
from recsys_batch.ingest.classify import small
from recsys_batch.ingest.parse import LANDED, mentions, parse_lines
from recsys_batch.ingest.shapes import UNNAMED, declared

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_NAMES = 20  # a column with more of them holds no types
_NAME = r"^([a-z][a-z _-]{0,39})?$"
_COMPARED = re.compile(r"(`[^`]+`|\w+)\s*(?:=|<>|!=|\bIN\s*\()\s*'", re.IGNORECASE)
_WORD = re.compile(r"'([^']*)'")


def untyped_values(
    lines: DataFrame, groups: Mapping[tuple[str, ...], Sequence[str]], mapping: SourceMapping
) -> dict[tuple[str, str], int]:
    """Values of the columns of event types in lines that no rule takes.

    Parameters
    ----------
    lines
        Those lines: file, line, record.
    groups
        Columns to the files that have them.

    Returns
    -------
    dict
        (column, value) to lines. A value that looks like a name of a type is told, of a column
        that has few of them; the others are counted together as `shapes.UNNAMED`. A value that a
        rule names is left out, as something else kept its lines from the rule.
    """
    from pyspark.sql import functions as F

    if not isinstance(mapping, EventMapping):
        return {}
    found: DataFrame | None = None
    for each in _pairs(lines, groups, mapping):
        found = each if found is None else found.unionByName(each)
    if found is None:
        return {}
    ruled = [word for rule in mapping.types for word in _WORD.findall(rule.when)]
    return named_values(found.where(~F.col("value").isin(ruled)))


def named_values(values: DataFrame) -> dict[tuple[str, str], int]:
    """Count values of columns, those that look like no names as one.

    Parameters
    ----------
    values
        Columns name and value, a row a line.
    """
    from pyspark.sql import functions as F

    counted = small(
        values.groupBy("name", "value")
        .agg(F.count(F.lit(1)).alias("lines"))
        .withColumn("named", F.col("value").rlike(_NAME))
    )
    names = counted.groupBy("name").agg(F.count_if("named").alias("names"))
    few = [row["name"] for row in names.where(F.col("names") <= _MOST_NAMES).collect()]
    told = F.when(F.col("named") & F.col("name").isin(few), F.col("value")).otherwise(UNNAMED)
    rows = counted.groupBy("name", told.alias("value")).agg(F.sum("lines").alias("lines")).collect()
    return {(row["name"], row["value"]): row["lines"] for row in rows}


def _pairs(
    lines: DataFrame, groups: Mapping[tuple[str, ...], Sequence[str]], mapping: EventMapping
) -> Iterator[DataFrame]:
    """Name and value of each column of types in each line, by files of the same columns."""
    from pyspark.sql import functions as F

    for names, files in groups.items():
        part = parse_lines(lines.where(F.col(c.FILE).isin(*files)), mapping, names)
        spelled = {each.lower(): each for each in part.columns if each != LANDED}
        pairs = [
            F.struct(
                F.lit(column).alias("name"),
                F.coalesce(F.trim(F.col(f"`{spelled[column]}`")), F.lit("")).alias("value"),
            )
            for column in _enumerations(mapping, names)
        ]
        if pairs:
            yield part.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*")


def _enumerations(mapping: EventMapping, names: Sequence[str]) -> list[str]:
    """Columns, in small letters, that the rules of types compare with words; never the user's."""
    compared = {
        found.strip("`").lower() for rule in mapping.types for found in _COMPARED.findall(rule.when)
    }
    user = mapping.fields.get("user_id", "")
    there = {declared(each, mapping.format)[0] for each in names}
    return sorted(each for each in compared & there if not mentions(user, each))

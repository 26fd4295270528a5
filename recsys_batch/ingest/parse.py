"""Raw lines to columns: one a column of the file, and whether the line was whole.

The columns of text files are strings, those of Parquet have its types.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import FileFormat
from recsys_batch.errors import MappingError
from recsys_batch.ingest.raw import JSON_TIMES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MALFORMED = "malformed"
VALID_TEXT = "valid_text"
# What is known of the line itself; one struct, so that a source may name its columns as it likes.
LANDED = "_landed"
BROKEN = "_broken"  # what the CSV parser calls a record that does not fit
# JSON type to the beginning of Spark's name of a value of it
_JSON_TYPES = {
    "text": "STRING",
    "number": "BIGINT|DECIMAL|DOUBLE|FLOAT",
    "boolean": "BOOLEAN",
    "object": "OBJECT",
    "array": "ARRAY",
}
# An expression that is a column's name, and no constant that a line may hold, too
_PLAIN = re.compile(r"(?!(?:true|false|null)$)[^\W\d][\w .-]*", re.IGNORECASE)
_MOST_COLUMNS = 20_000  # the CSV parser fails beyond 20,480


def parse_csv(raw: DataFrame, source: FileFormat, names: Sequence[str]) -> DataFrame:
    """Split CSV records (RFC 4180 quoting) into the columns `names`.

    A record that opens a quote and does not close it is malformed (`quoting`).
    """
    from pyspark.sql import functions as F

    schema = ", ".join(f"{_quoted(name)} STRING" for name in names)
    options = {
        "sep": source.delimiter,
        "quote": '"',
        "escape": '"',
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": BROKEN,
        "maxCharsPerColumn": "-1",
    }
    record = F.col(c.RECORD)
    # Cheap tests before dear ones: nearly all lines are short and have no quote.
    few = (F.octet_length(record) < _MOST_COLUMNS) | (
        _count(record, source.delimiter) < _MOST_COLUMNS
    )
    single = F.replace(record, F.lit('""'), F.lit(""))
    opened = single.rlike(rf'(^|{re.escape(source.delimiter)})"[^"]*+$')
    unclosed = F.contains(record, F.lit('"')) & (_count(record, '"') % 2 == 1) & opened
    parsed = raw.withColumn(
        "_row", F.from_csv(F.when(few, record), f"{schema}, {BROKEN} STRING", options)
    )
    row = F.col("_row")
    return parsed.select(
        _landed(row.isNull() | F.col(f"_row.{BROKEN}").isNotNull() | ~few | unclosed),
        *(F.col(f"_row.{_quoted(name)}").alias(name) for name in names),
    )


def parse_lines(raw: DataFrame, source: FileFormat, names: Sequence[str]) -> DataFrame:
    """Read lines of whatever format into the columns `names`."""
    if source.format == "csv":
        return parse_csv(raw, source, names)
    if source.format == "parquet":
        return parse_parquet(raw, names)
    return parse_jsonl(raw, names)


def json_types(raw: DataFrame) -> dict[str, dict[str, int]]:
    """The keys that any line has, in order, and how many of their values have which JSON type.

    Types are ``text``, ``number``, ``boolean``, ``object`` and ``array``; nulls are not counted.
    """
    from pyspark.sql import functions as F

    entries = raw.select(F.explode(_json_object(F.col(c.RECORD), "VARIANT")).alias("key", "value"))
    schema = F.schema_of_variant("value")
    kind = F.when(F.is_variant_null("value"), None)
    for name, pattern in _JSON_TYPES.items():
        kind = kind.when(schema.rlike(f"^({pattern})"), name)
    found: dict[str, dict[str, int]] = {}
    counted = entries.groupBy("key", kind.alias("kind")).agg(F.count(F.lit(1)).alias("values"))
    for row in sorted(counted.collect(), key=lambda row: (row["key"], row["kind"] or "")):
        kinds = found.setdefault(row["key"], {})
        if row["kind"] is not None:
            kinds[row["kind"]] = row["values"]
    return found


def parse_jsonl(raw: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Read one JSON object a line into a column a key; keys that differ by case only are one."""
    from pyspark.sql import functions as F

    spellings: dict[str, list[str]] = {}
    for key in sorted(set(keys), reverse=True):  # small letters come first
        spellings.setdefault(key.lower(), []).append(key)
    row = F.col("_row")
    return raw.withColumn("_row", _json_object(F.col(c.RECORD))).select(
        _landed(row.isNull()),
        *(F.coalesce(*(row[key] for key in same)).alias(same[0]) for same in spellings.values()),
    )


def parse_parquet(raw: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Read rows of Parquet, kept as JSON, into the columns that the file declares, of its types."""
    from pyspark.sql import functions as F

    row = F.from_json(F.col(c.RECORD), ", ".join(columns), JSON_TIMES)
    return raw.withColumn("_row", row).select(_landed(F.col("_row").isNull()), F.col("_row.*"))


def _json_object(record: Column, values: str = "STRING") -> Column:
    """The one object of a line, as a map; null where the line is anything else.

    Spark reads the first value of a text and ignores what follows; as the only member of an
    array, an object followed by anything is an error.
    """
    from pyspark.sql import functions as F

    text = F.concat(F.lit("["), record, F.lit("]"))
    members = F.from_json(text, f"ARRAY<MAP<STRING, {values}>>", {"mode": "PERMISSIVE"})
    whole = (F.size(members) == 1) & record.rlike(r"\}\s*$")
    return F.when(whole, F.get(members, F.lit(0)))


def _landed(malformed: Column) -> Column:
    from pyspark.sql import functions as F

    return F.struct(
        *(c.FILE, c.LINE, c.RECORD),
        F.is_valid_utf8(c.RECORD).alias(VALID_TEXT),
        malformed.alias(MALFORMED),
    ).alias(LANDED)


def _count(text: Column, character: str) -> Column:
    from pyspark.sql import functions as F

    return F.length(text) - F.length(F.replace(text, F.lit(character), F.lit("")))


def landed_columns() -> list[Column]:
    """File, line, record, valid_text and malformed of a parsed line."""
    from pyspark.sql import functions as F

    names = (c.FILE, c.LINE, c.RECORD, VALID_TEXT, MALFORMED)
    return [F.col(f"{LANDED}.{name}").alias(name) for name in names]


@contextmanager
def forgiving(spark: SparkSession) -> Iterator[None]:
    """Let SQL analysed meanwhile give null where a value does not fit, instead of an error.

    A data set's own expressions meet dirty values; one such line must not stop a batch.
    """
    name = "spark.sql.ansi.enabled"
    before = spark.conf.get(name)
    spark.conf.set(name, "false")
    try:
        yield
    finally:
        spark.conf.set(name, str(before))


def mapped(frame: DataFrame, fields: Mapping[str, str], *, where: str) -> dict[str, Column]:
    """Resolve each contract field to a column of `frame`, as text, trimmed, empty as null.

    An instant of a Parquet file is an instant whatever the data set's time zone, and its text
    says so.

    Parameters
    ----------
    fields
        Contract field to a column's name or an SQL expression over the columns.
    where
        What to name in errors, such as the file whose columns these are.

    Raises
    ------
    MappingError
        A field names a column that the file does not have, or is not SQL.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, TimestampType

    found = {name.lower(): name for name in frame.columns if name != LANDED}
    typed = any(each.name != LANDED and each.dataType != StringType() for each in frame.schema)
    resolved: dict[str, Column] = {}
    for field, expression in fields.items():
        if expression.lower() in found:
            column = F.col(_quoted(found[expression.lower()]))
        else:
            _require_resolvable(frame, field, fields, list(found.values()), where)
            column = F.expr(expression)
        if typed and isinstance(frame.select(column).schema[0].dataType, TimestampType):
            column = F.date_format(column, JSON_TIMES["timestampFormat"])
        text = F.trim(column.cast("string"))
        resolved[field] = F.when(text != "", text)
    return resolved


def _require_resolvable(
    frame: DataFrame, field: str, fields: Mapping[str, str], found: Sequence[str], where: str
) -> None:
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    expression = fields[field]
    # Spark takes some bare names, such as `user`, for functions.
    bare = expression.isidentifier() and _PLAIN.fullmatch(expression)
    try:
        column = F.col(_quoted(expression)) if bare else F.expr(expression)
        frame.select(column).schema  # noqa: B018  analysis happens here
    except (AnalysisException, ParseException) as error:
        parameters = error.getMessageParameters() or {}
        missing = parameters.get("objectName", "").replace("`", "")
        guess, fix = _advice(missing or expression, fields.values(), found)
        what = (
            f"field {field!r} maps to {expression!r}, but there is no column {missing!r}{guess}"
            if missing
            else f"field {field!r} maps to {expression!r}, which is neither a column nor SQL"
        )
        raise MappingError(what, where=where, fix=fix) from error


def _advice(missing: str, expressions: Collection[str], found: Sequence[str]) -> tuple[str, str]:
    """A guess at what was meant, and what to do.

    Columns of which the mapping knows not one may be values: the first line of a file that has no
    header. These are counted and not shown.
    """
    known = {name.lower() for name in found}
    wanted = [each for each in expressions if _PLAIN.fullmatch(each)]
    if not any(each.lower() in known for each in wanted):
        others = [each for each in dict.fromkeys(wanted) if each != missing]
        told = f"{len(found)} columns, none of which has a name that the mapping knows"
        return (
            f" among {told}",
            f"the names looked for are {', '.join([missing, *others])}: correct them in the "
            "dataset's YAML, or, where the files have no header, set `header: false` and name "
            "the `columns`",
        )
    near = difflib.get_close_matches(missing, found, n=1)
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    return guess, f"map it to one of {', '.join(found)} in the dataset's YAML"


def mentions(expression: str, column: str) -> bool:
    """Whether a mapping's expression names a column, capitals aside; text in quotes is none."""
    if expression.lower() == column.lower():
        return True
    code = re.sub(r"'[^']*'", "''", expression)
    return bool(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"

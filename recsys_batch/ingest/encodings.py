"""Bytes of lines to text, in the character set that a data set declares."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column


def decoded(value: Column, encoding: str) -> Column:
    """Text of lines; bytes that the encoding does not know stay invalid UTF-8."""
    from pyspark.sql import functions as F

    name = codecs.lookup(encoding).name
    if name in {"utf-8", "utf-8-sig", "ascii"}:
        return value
    if name == "iso8859-1":
        return F.decode(value.cast("binary"), "ISO-8859-1")
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # not in its stubs

    def transcoded(lines: pa.BinaryArray) -> pa.BinaryArray:
        texts = (line.decode(name, "surrogateescape") for line in lines.to_pylist())
        return pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())

    transcoded.__annotations__ = {"lines": pa.Array, "return": pa.Array}
    text: Column = arrow_udf(transcoded, "binary")(value.cast("binary")).cast("string")
    return text

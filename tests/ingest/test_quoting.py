"""Records over several lines are those that Python's csv module finds, however they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_batch.ingest import lines
from recsys_batch.ingest.lines import LineBlocks, LineForm, codec_of
from recsys_batch.ingest.quoting import quoting
from recsys_batch.ingest.records import first_record, read_records, survey

from .texts import PACKERS

MOST = 400
CELL = st.text(st.sampled_from('abé ",;\n\r\t|'), max_size=8)
TABLE = st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=12)


def form(
    *, most: int = MOST, delimiter: str = ",", encoding: str = "UTF-8", header: bool = False
) -> LineForm:
    return LineForm(header, encoding, quoting(delimiter, encoding, most))


def read(
    content: bytes, of: LineForm, *, name: str = "a", longest: int | None = None
) -> dict[int, bytes]:
    """Records by line, each piece read alone; they are as many as were surveyed."""

    def stream() -> io.BytesIO:
        return lines.text_stream(io.BytesIO(content), name)

    pieces = survey(LineBlocks(stream(), longest=lines.HELD), of, divide=not codec_of(name))
    found: list[tuple[int, bytes]] = []
    for piece in pieces:
        for numbers, records in read_records(stream(), name, piece, of, longest=longest):
            found += zip(numbers.to_pylist(), records.to_pylist(), strict=True)
    assert len(dict(found)) == len(found) == sum(piece.records for piece in pieces)
    assert sum(piece.end - piece.start for piece in pieces) == len(content) or codec_of(name)
    return dict(found)


def written(table: Sequence[Sequence[str]], **how: object) -> str:
    out = io.StringIO()
    csv.writer(out, **{"lineterminator": "\n"} | how).writerows(table)
    return out.getvalue()


@pytest.mark.parametrize(("block", "piece"), [(1, 1), (7, 1), (30, 60), (1 << 20, 1 << 20)])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@settings(deadline=None)
@given(table=TABLE, quotes=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@example(table=[['"', "a\n\nb"], ["\n"], ['","\n",'], ["é\r\n"]], quotes=csv.QUOTE_MINIMAL)
def test_what_csv_writes_is_read_record_by_record(
    ends: str, block: int, piece: int, table: list[list[str]], quotes: int
) -> None:
    if quotes == csv.QUOTE_MINIMAL and ends == "\n":  # which leaves a carriage return bare
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    text = written(table, lineterminator=ends, quoting=quotes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        patch.setattr("recsys_batch.ingest.records.PIECE", piece)
        found = read(text.encode(), form())
    rows = [next(csv.reader(io.StringIO(each.decode(), newline=""))) for each in found.values()]
    bare = [] if quotes == csv.QUOTE_ALL else [[" " * n] for n in range(1, 9)]
    assert rows == [row for row in table if row not in bare]  # lines of spaces are no records
    for line, record in found.items():
        assert "\n".join(text.split("\n")[line - 1 :]).encode().startswith(record)


@settings(deadline=None)
@given(text=st.text(st.sampled_from('ab,"\n\r '), max_size=60), most=st.integers(1, 80))
def test_of_any_text_no_line_is_lost_and_no_two_records_share_one(text: str, most: int) -> None:
    content = text.encode()
    found = read(content, form(most=most))
    ways = []
    for block in (1, 3, 10):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "BLOCK", block)
            patch.setattr("recsys_batch.ingest.records.PIECE", 1)
            ways.append(read(content, form(most=most)))
    assert ways == [found] * 3
    plain = read(content, LineForm(header=False, encoding="UTF-8"))
    told = dict(found)
    for line, record in found.items():
        for place, part in enumerate(record.split(b"\n")):
            if place:
                assert line + place not in found
                if part.strip(b" "):
                    told[line + place] = part
                    assert plain.get(line + place, b"").startswith(part.removesuffix(b"\r"))
    assert set(plain) <= set(told)
    assert found == walked(content, most)


def walked(content: bytes, most: int) -> dict[int, bytes]:
    """Records by asking of each line in turn whether a record that begins there is whole."""
    how = quoting(",", "UTF-8", most)
    assert how is not None
    found, start, line = {}, 0, 1
    while start < len(content):
        feed = content.find(b"\n", start)
        alone = len(content) if feed < 0 else feed
        told = how.end(content, start)
        assert told is not None
        end = max(told, alone)
        record = content[start:end].removesuffix(b"\r")
        if record.strip(b" "):
            found[line] = record
        line += content.count(b"\n", start, end) + 1
        start = end + 1
    return found


@settings(deadline=None)
@given(table=TABLE.filter(bool), encoding=st.sampled_from(["latin-1", "cp1252", "cp1250"]))
def test_other_encodings_too(table: list[list[str]], encoding: str) -> None:
    text = written([["x", *row] for row in table], delimiter=";", quoting=csv.QUOTE_ALL)
    found = read(text.encode(encoding), form(delimiter=";", encoding=encoding))
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert [
        next(csv.reader(io.StringIO(each.decode(), newline=""), delimiter=";"))
        for each in found.values()
    ] == rows


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_headers_and_byte_order_marks(packed: str, ends: bytes, mark: bytes) -> None:
    content = ends.join([mark + b'"a', b'b",c', b'"1', b"", b'2",3', b"", b"4,5"])
    found = read(PACKERS[packed](content), form(header=True), name=f"a{packed}")
    assert found == {3: b'"1' + ends * 2 + b'2",3', 7: b"4,5"}
    assert first_record(content, form(header=True)) == mark + ends.join([b'"a', b'b",c', b""])


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b'a,"b\nc,d\ne,f\n', {1: b'a,"b', 2: b"c,d", 3: b"e,f"}),  # never closed
        (b'a,"b\nc,"d"\ne,f\n', {1: b'a,"b', 2: b'c,"d"', 3: b"e,f"}),  # it would not be strict
        (b'a,"b\nc"d,e\n', {1: b'a,"b', 2: b'c"d,e'}),
        (b'5" pipe,"x\ny"\nz\n', {1: b'5" pipe,"x\ny"', 3: b"z"}),  # a quote that opens nothing
        (b'5" pipe\n6" pipe\n', {1: b'5" pipe', 2: b'6" pipe'}),
        (b'a, "b\nc"\n', {1: b'a, "b', 2: b'c"'}),  # nor does one after a space
        (b'"a""\n""b"\n"c"', {1: b'"a""\n""b"', 3: b'"c"'}),
        (b'"a"b"c,"\nd"\n', {1: b'"a"b"c,"', 2: b'd"'}),
        (b'"a\nb"', {1: b'"a\nb"'}),
        (b'"a\r\nb"\r\n\r\n', {1: b'"a\r\nb"'}),
        (
            b'"' + b"x\n" * 300 + b'"\n',
            {1: b'"x'} | dict.fromkeys(range(2, 301), b"x") | {301: b'"'},
        ),
    ],
)
@pytest.mark.parametrize("block", [1, 9, 1 << 20])
def test_by_hand(
    monkeypatch: pytest.MonkeyPatch, block: int, content: bytes, records: dict[int, bytes]
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    assert read(content, form()) == records


def test_an_open_quote_is_bounded_to_the_byte() -> None:
    content = b'"' + b"x" * 10 + b"\n" + b"y" * 10 + b'"'
    assert len(read(content + b"\nz\n", form(most=len(content)))) == 2
    assert len(read(content + b"\nz\n", form(most=len(content) - 1))) == 3


def test_the_beginning_is_kept_of_a_record_that_is_too_long() -> None:
    content = b'"ab\ncd\nef"\ng'
    assert read(content, form(), longest=5) == {1: b'"ab\nc', 4: b"g"}


def test_a_delimiter_of_several_bytes() -> None:
    content = 'a§"b\nc"§d\n5" x§"e\n'.encode()
    found = read(content, form(delimiter="§"))
    assert found == {1: 'a§"b\nc"§d'.encode(), 3: '5" x§"e'.encode()}


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "iso2022_jp", "utf-7"])
def test_where_bytes_cannot_be_told_apart_each_line_is_a_record(encoding: str) -> None:
    assert quoting(",", encoding, MOST) is None
    assert read(b'"a\nb"\n', form(encoding=encoding)) == {1: b'"a', 2: b'b"'}


def test_many_open_quotes_take_no_time_by_the_square() -> None:
    row = b'12,"a title that is cut,7\n'
    found = read(row * 100_000, form(most=1 << 20))
    assert len(found) == 100_000

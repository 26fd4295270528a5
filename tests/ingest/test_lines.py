"""Lines of text have the numbers that an editor shows, however blocks and pieces fall."""

from __future__ import annotations

import io

import pytest

from recsys_batch.ingest import lines
from recsys_batch.ingest.lines import LineBlocks, LineForm, codec_of
from recsys_batch.ingest.records import read_records, survey

from .texts import PACKERS, expected, tables


def read(content: bytes, name: str, form: LineForm) -> tuple[dict[int, bytes], int, int]:
    """Records by line, by reading each piece alone; records surveyed; and pieces."""
    blocks = LineBlocks(lines.text_stream(io.BytesIO(content), name))
    pieces = survey(blocks, form, divide=codec_of(name) is None)
    found: list[tuple[int, bytes]] = []
    for piece in pieces:
        stream = lines.text_stream(io.BytesIO(content), name)
        for numbers, records in read_records(stream, name, piece, form):
            found += zip(numbers.to_pylist(), records.to_pylist(), strict=True)
    assert len(dict(found)) == len(found)
    return dict(found), sum(piece.records for piece in pieces), len(pieces)


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(("block", "piece"), [(1, 1), (2, 7), (37, 500), (997, 1), (1 << 20, 1)])
def test_lines_are_numbered_exactly_however_they_are_read(
    monkeypatch: pytest.MonkeyPatch, ends: str, block: int, piece: int, packed: str
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    monkeypatch.setattr("recsys_batch.ingest.records.PIECE", piece)
    for name, content in tables(ends, seed=block).items():
        wanted = {line: text for (_, line), text in expected({name: content}).items()}
        found, records, pieces = read(
            PACKERS[packed](content), name + packed, LineForm(header=True, encoding="UTF-8")
        )
        assert {line: text.decode() for line, text in found.items()} == wanted
        assert records == len(wanted)
        if packed:
            assert pieces == 1
        elif piece == 1 and len(content) > block + 2000:
            assert pieces > 1, "it was not divided"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", {}),
        (b"\n\n \n", {}),
        (b"\xef\xbb\xbf", {}),
        (b"\xef\xbb\xbf\r\na", {2: b"a"}),
        (b"a\rb\n\r\n  c \n", {1: b"a\rb", 3: b"  c "}),
        (b"\x00\n\xff\xfe", {1: b"\x00", 2: b"\xff\xfe"}),
        (b"\xef\xbb\xbf \n\xef\xbb\xbfb", {2: b"\xef\xbb\xbfb"}),
    ],
)
def test_odd_lines(content: bytes, found: dict[int, bytes]) -> None:
    assert read(content, "a", LineForm(header=False, encoding="utf8"))[0] == found


@pytest.mark.parametrize("encoding", ["UTF-8", "latin-1"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_of_a_long_line_the_beginning_is_read(encoding: str, ends: bytes) -> None:
    content = ends.join([b"abcd", b"", b"abcdefgh" * 9, b"  ", b"abcde", b"\xe9" * 9])
    form, stream = LineForm(header=False, encoding=encoding), io.BytesIO(content)
    (piece,) = survey(LineBlocks(io.BytesIO(content)), form)
    found = {
        number.as_py(): record.as_py()
        for numbers, records in read_records(stream, "a", piece, form, longest=5)
        for number, record in zip(numbers, records, strict=True)
    }
    last = b"\xe9" * 5 if encoding == "UTF-8" else "éé".encode() + "é".encode()[:1]
    assert found == {1: b"abcd", 3: b"abcde", 5: b"abcde", 6: last}


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore\n"])
def test_a_line_without_end_is_not_held(
    monkeypatch: pytest.MonkeyPatch, end: bytes, packed: str
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 100)
    monkeypatch.setattr(lines, "HELD", 30)
    monkeypatch.setattr("recsys_batch.ingest.records.HELD", 30)
    name, content = f"a{packed}", b"ab\n" + b"x" * 10_000 + end
    form = LineForm(header=False, encoding="UTF-8")

    def stream() -> object:
        return lines.text_stream(io.BytesIO(PACKERS[packed](content)), name)

    blocks = LineBlocks(stream(), longest=lines.HELD)
    assert max(len(block) for block in blocks) <= 130
    assert blocks.passed == len(content)
    (piece,) = survey(LineBlocks(stream(), longest=lines.HELD), form, divide=not packed)
    assert (piece.end, piece.records) == (len(content), 2 + (len(end) > 1))
    records = [
        record.as_py()
        for _, texts in read_records(stream(), name, piece, form, longest=40)
        for record in texts
    ]
    assert records == [b"ab", b"x" * 40, b"more"][: piece.records]


def test_a_line_of_many_blocks_is_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 10)
    form = LineForm(header=False, encoding="UTF-8")
    found, records, _ = read(b"a\n" + b"x" * 10_000 + b"\nb", "a", form)
    assert (found, records) == ({1: b"a", 2: b"x" * 10_000, 3: b"b"}, 3)

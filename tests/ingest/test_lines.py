"""Lines of text have the numbers that an editor shows, however blocks and pieces fall."""

from __future__ import annotations

import io

import pytest

from recsys_batch.ingest import lines
from recsys_batch.ingest.lines import LineForm, codec_of, line_blocks, read_records, survey

from .texts import PACKERS, expected, tables


def read(content: bytes, name: str, form: LineForm) -> tuple[dict[int, bytes], int, int]:
    """Records by line, by reading each piece alone; records surveyed; and pieces."""
    blocks = line_blocks(lines.text_stream(io.BytesIO(content), name))
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
    monkeypatch.setattr(lines, "PIECE", piece)
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


def test_a_line_of_many_blocks_is_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 10)
    form = LineForm(header=False, encoding="UTF-8")
    found, records, _ = read(b"a\n" + b"x" * 10_000 + b"\nb", "a", form)
    assert (found, records) == ({1: b"a", 2: b"x" * 10_000, 3: b"b"}, 3)

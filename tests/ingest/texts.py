"""Text files of odd lines, plain and compressed, and what an editor would show of them."""

from __future__ import annotations

import gzip
import random
from functools import partial

import pyarrow as pa

NAMES = ("a b.csv", "50%.csv", "x%20y.csv", "[1]{2}*?.csv", "zä,ö#;&+.csv", "deep/er/12:30.csv")
PACKERS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": partial(pa.compress, codec="zstd", asbytes=True),
}


def expected(files: dict[str, bytes]) -> dict[tuple[str, int], str]:
    """By Python: all lines but headers and blank ones, numbered from 1."""
    return {
        (name, number): line
        for name, content in files.items()
        for number, line in enumerate(content.decode("utf-8-sig").splitlines(), start=1)
        if number > 1 and line.strip(" ")
    }


def tables(ends: str, *, seed: int) -> dict[str, bytes]:
    """Files of lines of very different lengths, some blank, with and without BOM and last end."""
    chance = random.Random(seed)
    files = {}
    for place, name in enumerate(NAMES):
        text = ["ts,u,i,q"]
        for number in range(chance.randrange(1, 40)):
            filler = "é" * chance.choice([0, 1, 7, 40, 300])
            text.append(
                chance.choice(["", "  "]) if number % 9 == 4 else f"{place},{number},{filler}"
            )
        whole = ends.join(text) + chance.choice(["", ends, ends * 3])
        files[name] = chance.choice([b"", b"\xef\xbb\xbf"]) + whole.encode()
    return files

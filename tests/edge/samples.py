"""Small publications whose every answer says which publication it came from."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from recsys_batch.edge.bodies import Item, encode_list
from recsys_batch.edge.store import build_store, store_folder

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def items(publication: str, count: int) -> list[Item]:
    return [
        Item(f"{publication}-i{rank}", 1 - rank / 8, "als", f"taste of {publication}")
        for rank in range(count)
    ]


def entries(publication: str, users: int = 40, count: int = 5) -> Iterator[tuple[str, bytes]]:
    value = encode_list(items(publication, count), where=publication)
    yield "c:new", value
    yield "g:", value
    yield "r:DE", value
    for user in range(users):
        yield f"u:{user:06d}", value


def build(home: Path, publication: str, **size: int) -> dict:
    return build_store(
        store_folder(home, publication),
        entries(publication, **size),
        as_of="2026-01-01",
        details={},
    )


def flip_bit(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def child(script: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"edge.{script}", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE.parent}"},
        text=True,
        **options,
    )


@contextmanager
def server(home: Path, port: int = 0, log: Path | None = None) -> Iterator[tuple[str, int]]:
    """A real server process on loopback; yields its URL and process id."""
    with (log or home / "server.log").open("a") as errors:
        process = child("serve_child", home, port, stdout=subprocess.PIPE, stderr=errors)
        try:
            url = process.stdout.readline().strip()
            yield url, process.pid
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def raw(url: str, request: bytes) -> bytes:
    """Send bytes as they are and return all that comes back."""
    host, port = url.removeprefix("http://").split(":")
    received = []
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        with suppress(ConnectionError):  # refused before it was read to the end
            connection.sendall(request)
        while block := _receive(connection):
            received.append(block)
    return b"".join(received)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""

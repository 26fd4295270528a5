"""A stand-in for S3 (moto's server) in a process of its own, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3

from recsys_batch.errors import SetupError

SECRET = "a secret that no message shows"  # noqa: S105  the stand-in takes any
_RUNNING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")
_LONGEST = 60.0  # seconds for the server to start
_LINE = """
import asyncio, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

async def join(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, back), copy(there, writer))

async def main():
    server = await asyncio.start_server(join, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


class Store:
    """The server, at the address of a line to it: what it holds outlives a cut of the line."""

    def __init__(self, port: int) -> None:
        self._server = port
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._line: subprocess.Popen[bytes] | None = None

    def cut(self) -> None:
        """Nobody answers any more."""
        if self._line is not None:
            self._line.kill()
            self._line.wait()
            self._line = None

    def mend(self) -> None:
        """It answers again."""
        ports = (str(self._port), str(self._server))
        self._line = subprocess.Popen([sys.executable, "-S", "-c", _LINE, *ports])
        _until(lambda: _answers(self._port))

    @property
    def environment(self) -> dict[str, str]:
        """What leads to it."""
        return {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        given = self.environment
        client = boto3.client(
            "s3",
            endpoint_url=given["AWS_ENDPOINT_URL"],
            region_name=given["AWS_DEFAULT_REGION"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=name)


@contextlib.contextmanager
def store(folder: Path) -> Iterator[Store]:
    """Start a server, whose log goes to a folder, and end it with its line.

    Raises
    ------
    SetupError
        It does not start.
    """
    log = folder / "s3.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)  # of fixed arguments
    try:
        _until(lambda: _RUNNING.search(log.read_text()) is not None)
        (port,) = _RUNNING.findall(log.read_text())
        made = Store(int(port))
        made.mend()
        try:
            yield made
        finally:
            made.cut()
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONGEST
    while not done():
        if time.monotonic() > end:
            raise SetupError(
                f"no S3 server after {_LONGEST:.0f} s",
                where="moto.server",
                fix="run `make setup`, and see that the machine is not overloaded",
            )
        time.sleep(0.05)

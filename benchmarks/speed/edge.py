"""How fast the edge is: the store's gets and puts, HTTP answers, and a rollback under load.

Run it with ``python -m benchmarks.speed.edge``; about 40 seconds on two cores. Server and load
generator get a core each where the machine has two. Peers are measured in the same run: SQLite
for gets, and a uvicorn callable that always sends the same bytes for requests.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, write_report
from benchmarks.speed.load import Report, run_load
from recsys_batch.edge.bodies import Item, encode_list, user_entry
from recsys_batch.edge.datafile import write_entries
from recsys_batch.edge.rollback import promote, rollback
from recsys_batch.edge.service import serve
from recsys_batch.edge.store import EdgeStore, build_store, store_folder

COMMAND = "python -m benchmarks.speed.edge"
SEED = 20260101
KEYS, VALUE_BYTES = 100_000, 861
USERS, ITEMS, ASKED = 20_000, 100, 10
CONNECTIONS, SECONDS = 16, 5.0
AT = datetime(2026, 1, 1, tzinfo=UTC)


def user_key(user: str) -> str:
    """Return a pseudonym as production makes it, under a key that is no secret."""
    return hmac.digest(b"benchmark", user.encode(), "sha256").hex()[:32]


def seeded() -> random.Random:
    """Return a generator that draws the same in every run."""
    return random.Random(SEED)  # noqa: S311


def best_rate(count: int, act: Callable[[], object], repeats: int = 3) -> float:
    """Return the best of some repeats, in acts a second."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return count / min(seconds)


def store_rows(folder: Path) -> list[Figure]:
    """Measure puts and gets of the published protocol: 100k keys of 861 bytes."""
    draw = seeded()
    keys = sorted(user_entry(draw.randbytes(16).hex()) for _ in range(KEYS))
    pairs = [(key, draw.randbytes(VALUE_BYTES)) for key in keys]
    numbers = iter(range(100))
    home = folder / "kv"
    put = best_rate(KEYS, lambda: write_entries(folder / f"puts{next(numbers)}.mdb", pairs))

    def build() -> None:
        name = f"p{next(numbers)}"
        build_store(store_folder(home, name), pairs, as_of="2026-01-01", details={})

    built = best_rate(KEYS, build)
    asked = draw.sample(keys, KEYS)
    with EdgeStore(next((home / "edge").iterdir())) as store:
        get = best_rate(KEYS, lambda: [store.get(key) for key in asked])
    with sqlite3.connect(folder / "kv.sqlite") as database:
        database.execute("CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID")
        database.executemany("INSERT INTO kv VALUES (?, ?)", pairs)
        query = "SELECT v FROM kv WHERE k = ?"
        sqlite = best_rate(
            KEYS, lambda: [database.execute(query, (key,)).fetchone()[0] for key in asked]
        )
    return [
        Figure("edge.store.gets_per_second", get, 360_000),
        Figure("edge.store.gets_per_second.peer_sqlite", sqlite),
        Figure("edge.store.gets_over_sqlite", get / sqlite, 360 / 213),
        Figure("edge.store.puts_per_second.with_digest_and_fsync", put, 449_000),
        Figure("edge.store.entries_per_second.built_read_back_and_hashed", built),
    ]


def entries(publication: str) -> Iterator[tuple[str, bytes]]:
    """Yield lists as a run would export them."""
    draw = seeded()
    listed = [
        Item(f"item-{draw.randrange(10**5):05d}", round(1 - place / 128, 6), "als", "your taste")
        for place in range(ITEMS)
    ]

    value = encode_list(listed, where=publication)
    yield "g:", value
    yield from ((key, value) for key in sorted(user_entry(user_key(str(u))) for u in range(USERS)))


@contextmanager
def server(*arguments: str) -> Iterator[int]:
    """Run this module as a server process on the first core; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.speed.edge", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait()


def http_rows(folder: Path) -> list[Figure]:
    """Measure answers a second and their latency, and the same of a bare callable."""
    home = folder / "home"
    for name in ("p1", "p2"):
        build_store(store_folder(home, name), entries(name), as_of="2026-01-01", details={})
        promote(home, name, actor="benchmark", at=AT)
    draw = seeded()
    paths = [f"/v1/recommendations/{draw.randrange(USERS)}?n={ASKED}" for _ in range(10_000)]

    def measure(port: int, seconds: float = SECONDS) -> Report:
        return run_load(port, paths, connections=CONNECTIONS, seconds=seconds)

    with server("--bare", "x") as port:
        measure(port, 1.0)
        bare = measure(port)
    with server("--serve", str(home)) as port:
        measure(port, 1.0)
        ours = measure(port)
        moved: list[float] = []

        def move() -> None:
            moved.append(time.perf_counter())
            rollback(home, to="p1", actor="benchmark", at=AT)

        swap = run_load(port, paths, connections=CONNECTIONS, seconds=2.5, during=move)
    last_old = max(when for when, publication in swap.publications if publication == b"p2")
    return [
        Figure("edge.http.requests_per_second", ours.rate, 10_000),
        Figure("edge.http.requests_per_second.peer_bare_uvicorn", bare.rate),
        Figure("edge.http.share_of_bare_uvicorn", ours.rate / bare.rate, 0.5),
        Figure("edge.http.p50_milliseconds", 1000 * statistics.median(ours.seconds)),
        Figure("edge.http.p99_milliseconds", 1000 * ours.quantile(0.99), 10, at_most=True),
        Figure("edge.http.errors", ours.errors + swap.errors, 0, at_most=True),
        Figure("edge.rollback.seconds_under_load", last_old - moved[0], 1.0, at_most=True),
    ]


def about() -> str:
    """Say what was measured, and on what."""
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}. Store: {KEYS:,} keys of "
        f"{VALUE_BYTES} bytes, a transaction a get. HTTP: {USERS:,} users, {ITEMS} items stored "
        f"and {ASKED} answered, {CONNECTIONS} keep-alive connections, an HMAC a request, server "
        "and generator on a core each. Rollback: from the command's start to the last answer of "
        "the old publication."
    )


def announce(url: str) -> None:
    """Tell the parent process where the server listens."""
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def serve_bare() -> None:
    """Serve the same bytes for every request: what the HTTP server alone costs."""
    import uvicorn

    from recsys_batch.edge.service import bind

    body = hashlib.sha256(b"").hexdigest().encode() * 14  # about as long as ten items

    async def bare(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        headers = [(b"content-type", b"application/json"), (b"content-length", b"896")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = bind("127.0.0.1", 0)
    announce(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(bare, access_log=False, log_level="warning", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    """Measure everything, or be one of the servers that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if arguments.serve or arguments.bare:
        os.sched_setaffinity(0, cores[:1])
        if arguments.bare:
            serve_bare()
        serve(Path(arguments.serve), user_key=user_key, announce=announce)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = store_rows(Path(folder))
        # Children take the first core themselves; the parent, who asks, keeps the last.
        figures += http_rows(Path(folder))
    sys.stdout.write(
        write_report(
            "edge", figures, heading="Edge speed", about=about(), command=COMMAND, seed=SEED
        )
    )
    sys.exit(1 if any(each.holds is False for each in figures) else 0)


if __name__ == "__main__":
    main()

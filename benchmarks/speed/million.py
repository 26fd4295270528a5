"""Lists of a million users out of a hundred thousand items, from factors in files to a Delta table.

User factors and seen items are mapped from files and ranked block by block, the lists go to the
table as they are made. All of it is one process, whose memory is looked at every second from
outside; its start counts, compiling does not (it is kept from run to run). Run from the project's
root:

    python -m benchmarks.speed.million
    python -m benchmarks.speed.million --users 20000 --items 5000 --dims 32
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from numpy.lib.format import open_memmap
from scipy import sparse

from benchmarks.memory import peak_memory
from benchmarks.report import REPORTS, Figure, write_report
from recsys_batch.lake.arrow import write_batches
from recsys_batch.setup.machine import cores
from recsys_batch.topn import list_batches, reference
from recsys_batch.topn.jit import HAS_INT8

SEEN = 20  # items a user has seen
CHUNK = 50_000  # users made at a time
CHECKED_USERS = 40
MOST_MINUTES, MOST_GIB = 10.0, 6.0


def make_factors(folder: Path, *, users: int, items: int, dims: int, seed: int) -> None:
    """Store normal factors, items' norms with a long tail, and what each user has seen."""
    rng = np.random.default_rng(seed)
    tail = rng.lognormal(sigma=0.3, size=(items, 1))
    np.save(folder / "items.npy", (rng.normal(size=(items, dims)) * tail).astype(np.float32))
    rows = open_memmap(folder / "users.npy", "w+", np.float32, (users, dims))
    seen = open_memmap(folder / "seen.npy", "w+", np.int32, (users, SEEN))
    for first in range(0, users, CHUNK):
        chunk = slice(first, min(first + CHUNK, users))
        size = chunk.stop - first
        rows[chunk] = rng.standard_normal((size, dims), dtype=np.float32)
        seen[chunk] = np.sort(rng.integers(items, size=(size, SEEN), dtype=np.int32), axis=1)


def mapped(folder: Path, users: int | None = None) -> tuple[Any, Any, Any]:
    """User factors, item factors and seen items, of the first `users` users (None: all)."""
    rows = np.load(folder / "users.npy", mmap_mode="r")[:users]
    items = np.load(folder / "items.npy")
    seen = np.load(folder / "seen.npy", mmap_mode="r")[:users].reshape(-1)
    starts = np.arange(len(rows) + 1) * SEEN
    shape = (len(rows), len(items))
    return rows, items, sparse.csr_matrix((np.ones(len(seen), np.bool_), seen, starts), shape)


def rank(folder: Path, table: Path, n: int, users: int | None = None) -> None:
    """Write the lists of the first `users` users (None: all) of the stored factors."""
    rows, items, seen = mapped(folder, users)
    lists = list_batches(
        rows,
        items,
        n=n,
        user_keys=pa.array(np.char.mod("u%07d", np.arange(len(rows)))),
        item_ids=pa.array(np.char.mod("i%07d", np.arange(len(items)))),
        exclude=seen,
    )
    write_batches(table, lists)


def in_a_process(folder: Path, table: Path, n: int, users: int | None = None) -> tuple[float, int]:
    """Rank in a process of its own; return its seconds, and the most bytes it held."""
    process = multiprocessing.get_context("spawn").Process(
        target=rank, args=(folder, table, n, users)
    )
    start = time.perf_counter()
    process.start()
    assert process.pid is not None
    with peak_memory(process.pid) as peak:
        process.join()
    if process.exitcode:
        raise RuntimeError(f"ranking ended with status {process.exitcode}")
    return time.perf_counter() - start, peak.bytes


def checked(folder: Path, table: Path, n: int, seed: int) -> tuple[int, float]:
    """Read the table back: users with a list of `n`, and the share of some lists that are exact."""
    rows, items, seen = mapped(folder)
    chosen = np.random.default_rng(seed).permutation(len(rows))[:CHECKED_USERS]
    wanted = {f"u{user:07d}": int(user) for user in chosen}
    found: dict[int, tuple[list[int], list[float]]] = {}
    full = 0
    for batch in DeltaTable(str(table)).to_pyarrow_dataset().to_batches():
        full += int((batch["items"].value_lengths().to_numpy() == n).sum())
        for place, key in enumerate(batch["user_key"].to_pylist()):
            if key in wanted:
                ranked = batch["items"][place].as_py()
                names = [int(each["item_id"][1:]) for each in ranked]
                found[wanted[key]] = names, [each["score"] for each in ranked]
    expected = reference.top_n(rows[chosen], items, n=n, exclude=seen[chosen])
    exact = [
        found[int(user)] == (best.tolist(), scores.tolist())
        for user, best, scores in zip(chosen, *expected, strict=True)
    ]
    return full, float(np.mean(exact))


def measure(below: Path, *, users: int, items: int, dims: int, n: int, seed: int) -> list[Figure]:
    """Make the factors, rank them, check the table; return the report's figures."""
    make_factors(below, users=users, items=items, dims=dims, seed=seed)
    in_a_process(below, below / "warm", n, min(users, 1000))
    seconds, held = in_a_process(below, below / "lists", n)
    full, exact = checked(below, below / "lists", n, seed)
    size = sum(file.stat().st_size for file in (below / "lists").glob("*.parquet"))
    return [
        Figure("minutes from start to commit", seconds / 60, MOST_MINUTES, at_most=True),
        Figure("GiB held at most (PSS, every second)", held / 2**30, MOST_GIB, at_most=True),
        Figure("users a second", users / seconds),
        Figure("GiB of the table", size / 2**30),
        Figure(f"users with a list of {n}", full, users),
        Figure(f"share of {CHECKED_USERS} users' lists equal to the reference", exact, 1.0),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--n", type=int, default=100, help="length of the lists")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--below", type=Path, help="folder for 2 GB of files, made and removed")
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown."""
    given = _arguments()
    load = os.getloadavg()[0]
    below = Path(tempfile.mkdtemp(prefix="recsys-batch-million-", dir=given.below))
    sizes = {"users": given.users, "items": given.items, "dims": given.dims, "n": given.n}
    try:
        figures = measure(below, **sizes, seed=given.seed)
    finally:
        shutil.rmtree(below)
    about = (
        f"{given.users:,} users x {given.items:,} items x {given.dims} dimensions, N = {given.n}, "
        f"{SEEN} seen items a user excluded, made factors with a long tail of norms; {cores()} "
        f"cores, load of the machine before the run {load:.1f} and after it "
        f"{os.getloadavg()[0]:.1f} (the run's own included); first pass in "
        f"{'int8' if HAS_INT8 else 'float32'}."
    )
    text = write_report(
        "million",
        figures,
        heading="A million users",
        about=about,
        command=shlex.join(["python", "-m", "benchmarks.speed.million", *sys.argv[1:]]),
        seed=given.seed,
        folder=given.out,
    )
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

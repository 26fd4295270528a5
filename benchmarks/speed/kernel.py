"""The top-N kernel against implicit's `recommend` and against the matrix product alone.

All three run in turn, several rounds in one process; ratios are taken within a round and their
median is reported, so that other load on the machine meets all three. Kernel and product are also
compared by the processor time of one thread each, which other load hardly changes. Run from the
project's root:

    python -m benchmarks.speed.kernel --factors gowalla
    python -m benchmarks.speed.kernel --factors random --users 5000 --items 20000 --dims 64 --n 100
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit's advice; raised where it helps

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.report import REPORTS, Figure, ratio, write_report
from recsys_batch.setup.machine import cores
from recsys_batch.topn import reference, top_n
from recsys_batch.topn.jit import HAS_INT8

ROOT = Path(__file__).resolve().parents[2]
# users x items a product, from one that stays in a core's L2 to all items at once
PRODUCT_TILES = ((256, 1024), (512, 2048), (1024, 4096), (1024, 10**9), (4096, 10**9))
CHECKED_USERS = 40
TRIAL_USERS = 4096  # users on which settings are tried
CORE_USERS = 8192  # users of the comparison by processor time


@dataclass(frozen=True)
class Problem:
    """Factors, and the items each user has seen."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    seen: Any


def random_problem(users: int, items: int, dims: int, seed: int) -> Problem:
    """Normal factors whose norms have a long tail, and about 27 seen items a user."""
    rng = np.random.default_rng(seed)
    tail = rng.lognormal(sigma=0.3, size=(items, 1))
    density = min(1.0, 27 / items)
    seen: Any = sparse.csr_matrix(
        sparse.random(users, items, density=density, rng=rng), dtype=np.float32
    )
    return Problem(
        rng.normal(size=(users, dims)).astype(np.float32),
        (rng.normal(size=(items, dims)) * tail).astype(np.float32),
        seen,
    )


def gowalla_problem(folder: Path, dims: int, seed: int) -> Problem:
    """ALS factors of the Gowalla training set, trained once and then read from a cache."""
    train = pd.read_parquet(folder / "train.parquet")
    ones = np.ones(len(train), dtype=np.float32)
    seen = sparse.csr_matrix((ones, (train["user"], train["item"])))
    cache = Path(tempfile.gettempdir()) / f"recsys-batch-gowalla-{dims}-{seed}.npz"
    if not cache.exists():
        model = AlternatingLeastSquares(
            factors=dims, regularization=10, alpha=20, iterations=5, random_state=seed
        )
        model.fit(seen, show_progress=False)
        np.savez(cache, users=model.user_factors, items=model.item_factors)
    factors = np.load(cache)
    return Problem(factors["users"], factors["items"], seen)


def first_users(problem: Problem, users: int | None) -> Problem:
    """Return the problem for its first `users` users (None: all)."""
    return Problem(problem.users[:users], problem.items, problem.seen[:users])


def ours(problem: Problem, n: int, threads: int) -> None:
    """Rank with the project's kernel, packing of the items included."""
    top_n(problem.users, problem.items, n=n, exclude=problem.seen, threads=threads)


def peer(problem: Problem, n: int, threads: int, blas_threads: int) -> None:
    """Rank with implicit, all users in one call as its documentation advises."""
    model = AlternatingLeastSquares(factors=problem.items.shape[1], num_threads=threads)
    model.user_factors, model.item_factors = problem.users, problem.items
    with threadpool_limits(blas_threads, user_api="blas"):
        model.recommend(
            np.arange(len(problem.users)), problem.seen, N=n, filter_already_liked_items=True
        )


def product(problem: Problem, tile: tuple[int, int], threads: int, blas_threads: int) -> None:
    """Compute all scores in float32, tile by tile into the same buffer, and keep none of them."""
    users, items = problem.users, problem.items
    block, width = tile[0], min(tile[1], len(items))

    def share(worker: int) -> None:
        buffer = np.empty(block * width, dtype=np.float32)
        for first in range(worker * block, len(users), threads * block):
            left = users[first : first + block]
            for start in range(0, len(items), width):
                right = items[start : start + width]
                out = buffer[: len(left) * len(right)].reshape(len(left), len(right))
                np.matmul(left, right.T, out=out)

    with threadpool_limits(blas_threads, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(share, range(threads)))


def seconds(run: Callable[[], None]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def core_seconds(run: Callable[[], None]) -> float:
    """Return the processor time of one call, over all threads."""
    start = time.process_time()
    run()
    return time.process_time() - start


def settings(problem: Problem, n: int) -> dict[str, dict[str, Callable[[], None]]]:
    """Return every contender's settings worth trying on this machine."""
    counts = sorted({1, cores()})
    return {
        "kernel": {f"{t} threads": partial(ours, problem, n, t) for t in counts},
        "implicit": {
            f"{t} threads, {b} of BLAS": partial(peer, problem, n, t, b)
            for t in counts
            for b in counts
        },
        "product": {
            f"tiles of {_shape(tile)}, {t} threads, {b} of BLAS": partial(
                product, problem, tile, t, b
            )
            for tile in PRODUCT_TILES
            for t, b in ((cores(), 1), (1, cores()))
        },
    }


def contenders(problem: Problem, n: int) -> dict[str, tuple[str, Callable[[], None]]]:
    """Give each contender its best setting, found by trying all on some users."""
    everything = settings(problem, n)
    chosen = {}
    for name, runs in settings(first_users(problem, TRIAL_USERS), n).items():
        times = {setting: min(seconds(run) for _ in range(3)) for setting, run in runs.items()}
        best = min(times, key=lambda setting: times[setting])
        chosen[name] = best, everything[name][best]
    return chosen


def _shape(tile: tuple[int, int]) -> str:
    return f"{tile[0]} x {tile[1] if tile[1] < 10**9 else 'all'}"


def is_exact(problem: Problem, n: int, seed: int) -> bool:
    """Compare the lists of some users with the reference implementation, bit for bit."""
    chosen = np.random.default_rng(seed).permutation(len(problem.users))[:CHECKED_USERS]
    chosen.sort()
    rows, scores = top_n(problem.users, problem.items, n=n, exclude=problem.seen)
    expected_rows, expected_scores = reference.top_n(
        problem.users[chosen], problem.items, n=n, exclude=problem.seen[chosen]
    )
    same_rows = np.array_equal(rows[chosen], expected_rows)
    return same_rows and scores[chosen].tobytes() == expected_scores.tobytes()


def measure(problem: Problem, n: int, rounds: int, seed: int) -> list[Figure]:
    """Run all contenders in turn; return the report's figures."""
    found = contenders(problem, n)
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, (_, run) in found.items():
            times[name].append(seconds(run))
    users = len(problem.users)
    exact = float(is_exact(problem, n, seed))
    return [
        *(
            Figure(f"{name}, users a second ({found[name][0]})", users / statistics.median(spent))
            for name, spent in times.items()
        ),
        ratio("kernel / implicit", times["implicit"], times["kernel"], 2.5),
        ratio("kernel / product", times["product"], times["kernel"], 0.85),
        core_ratio(first_users(problem, CORE_USERS), n, rounds),
        Figure(f"share of {CHECKED_USERS} users' lists equal to the reference", exact, 1.0),
    ]


def core_ratio(problem: Problem, n: int, rounds: int) -> Figure:
    """Compare kernel and product, a thread each, by processor time."""
    ours(problem, n, 1)
    product(problem, PRODUCT_TILES[0], 1, 1)
    spent = [
        (
            core_seconds(partial(ours, problem, n, 1)),
            min(core_seconds(partial(product, problem, tile, 1, 1)) for tile in PRODUCT_TILES),
        )
        for _ in range(rounds)
    ]
    kernel, dense = zip(*spent, strict=True)
    name = "kernel / product, processor time of one thread"
    return ratio(name, dense, kernel, 0.85)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--factors", choices=("gowalla", "random"), default="gowalla")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/datasets/gowalla")
    parser.add_argument("--users", type=int, help="users ranked (gowalla: all; random: 20,000)")
    parser.add_argument("--items", type=int, default=40_981, help="items, of random factors")
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--n", type=int, default=100, help="length of the lists")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown."""
    given = _arguments()
    load = os.getloadavg()[0]
    if given.factors == "gowalla":
        problem = first_users(gowalla_problem(given.data, given.dims, given.seed), given.users)
    else:
        problem = random_problem(given.users or 20_000, given.items, given.dims, given.seed)
    figures = measure(problem, given.n, given.rounds, given.seed)
    command = shlex.join(["python", "-m", "benchmarks.speed.kernel", *sys.argv[1:]])
    about = (
        f"{given.factors} factors: {len(problem.users):,} users x {len(problem.items):,} items x "
        f"{problem.items.shape[1]} dimensions, N = {given.n}, seen items excluded; "
        f"{cores()} cores, load of the machine before the run {load:.1f}; "
        f"first pass in {'int8' if HAS_INT8 else 'float32'}."
    )
    text = write_report(
        "kernel",
        figures,
        heading="Top-N kernel",
        about=about,
        command=command,
        seed=given.seed,
        folder=given.out,
    )
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

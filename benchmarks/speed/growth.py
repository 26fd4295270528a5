"""How time and memory of `top_n` grow with users, items, length of lists and dimensions.

Each is doubled thrice while the others stay as they are. Time is the median of some rounds,
memory what a call adds to the process at its fullest, packing of the items and the lists
themselves included. Run from the project's root, on Linux:

    python -m benchmarks.speed.growth
    python -m benchmarks.speed.growth --users 500 --items 400 --n 5 --dims 8 --rounds 1
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib

matplotlib.use("svg")

from matplotlib.figure import Figure as Plot

from benchmarks.memory import added
from benchmarks.report import REPORTS, Figure, write_report
from benchmarks.speed.kernel import ours, random_problem
from recsys_batch.setup.machine import cores

DOUBLINGS = 3


@dataclass(frozen=True)
class Size:
    """The four numbers that a call's cost depends on."""

    users: int
    items: int
    n: int
    dims: int


@dataclass(frozen=True)
class Cost:
    """What a call of some size took."""

    size: Size
    seconds: float
    mebibytes: float


def cost(size: Size, rounds: int, seed: int) -> Cost:
    """Rank made factors some times."""
    problem = random_problem(size.users, size.items, size.dims, seed)
    run = partial(ours, problem, size.n, cores())
    held = added(run)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return Cost(size, statistics.median(seconds), held / 2**20)


def doubled(base: Size) -> dict[str, list[Size]]:
    """The sizes to measure, by what grows."""
    return {
        name: [replace(base, **{name: value << step}) for step in range(DOUBLINGS + 1)]
        for name, value in asdict(base).items()
    }


def measure(base: Size, rounds: int, seed: int) -> dict[str, list[Cost]]:
    """The costs of every size, by what grows."""
    cost(base, 1, seed)  # compiles, and takes what memory the process keeps
    return {
        name: [cost(size, rounds, seed) for size in sizes] for name, sizes in doubled(base).items()
    }


def figures(costs: dict[str, list[Cost]]) -> list[Figure]:
    """The report's rows: each cost, and how many times it grew over all doublings."""
    rows = []
    for name, each in costs.items():
        for one in each:
            size = f"{getattr(one.size, name):,} {name}"
            rows.append(Figure(f"{size}, seconds", one.seconds))
            rows.append(Figure(f"{size}, MiB added", one.mebibytes))
        grown = each[-1].seconds / each[0].seconds
        rows.append(Figure(f"{2**DOUBLINGS} times the {name}, times the seconds", grown))
    return rows


def draw(costs: dict[str, list[Cost]], path: Path) -> None:
    """Plot seconds and memory over each size, both axes doubling."""
    plot = Plot(figsize=(11, 5), layout="constrained")
    panels = plot.subplots(2, len(costs), sharey="row")
    for (name, each), (upper, lower) in zip(costs.items(), panels.T, strict=True):
        sizes = [getattr(one.size, name) for one in each]
        upper.plot(sizes, [one.seconds for one in each], marker="o")
        lower.plot(sizes, [one.mebibytes for one in each], marker="o", color="tab:orange")
        for axes in (upper, lower):
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.grid(alpha=0.3)
        lower.set_xlabel(name)
    panels[0][0].set_ylabel("seconds")
    panels[1][0].set_ylabel("MiB added")
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        plot.savefig(path, metadata={"Date": None})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--n", type=int, default=50, help="length of the lists")
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown, and plot it."""
    given = _arguments()
    load = os.getloadavg()[0]
    base = Size(given.users, given.items, given.n, given.dims)
    costs = measure(base, given.rounds, given.seed)
    about = (
        f"From {base.users:,} users x {base.items:,} items x {base.dims} dimensions, N = {base.n}, "
        f"each doubled thrice by itself; made factors, about 27 seen items a user excluded; median "
        f"of {given.rounds} rounds; {cores()} cores, load of the machine before the run "
        f"{load:.1f} and after it {os.getloadavg()[0]:.1f} (the run's own included).\n\n"
        "![Seconds and memory by size](growth.svg)"
    )
    text = write_report(
        "growth",
        figures(costs),
        heading="How the kernel grows",
        about=about,
        command=shlex.join(["python", "-m", "benchmarks.speed.growth", *sys.argv[1:]]),
        seed=given.seed,
        folder=given.out,
    )
    draw(costs, given.out / "growth.svg")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

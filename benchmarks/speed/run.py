"""The benchmarks of speed in turn, each in a process of its own, or those named.

Each writes its report to ``benchmarks/reports/``. From the project's root:

    python -m benchmarks.speed.run
    python -m benchmarks.speed.run million growth
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS: dict[str, tuple[str, ...]] = {
    "kernel": ("benchmarks.speed.kernel",),
    "against_mllib": ("benchmarks.speed.against_mllib", "--data", "made"),
    "against_mllib_gowalla": ("benchmarks.speed.against_mllib", "--data", "gowalla"),
    "million": ("benchmarks.speed.million",),
    "growth": ("benchmarks.speed.growth",),
    "workers": ("benchmarks.speed.workers",),
    "daily": ("benchmarks.daily.run",),
    "history": ("benchmarks.daily.history",),
    "ingest": ("benchmarks.speed.ingest",),
    "edge": ("benchmarks.speed.edge",),
}


def commands(names: list[str]) -> dict[str, list[str]]:
    """The command of each benchmark named, or of all."""
    return {name: [sys.executable, "-m", *RUNS[name]] for name in names or RUNS}


def main() -> None:
    """Run them all, and end with an error that names those that failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RUNS)}")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(RUNS))
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}: choose of {', '.join(RUNS)}")
    failed = [
        name
        for name, command in commands(given.names).items()
        if subprocess.run(command, cwd=ROOT, check=False).returncode
    ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

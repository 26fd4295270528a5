"""Time whole days, stage by stage, on the sample and on real data, and measure their lists.

Run it with ``python -m benchmarks.daily.run``; five to ten minutes on two cores. A cold run takes
the landing files into an empty lake; a run that finds nothing new passes over what is sealed; a
warm one makes the day anew, which must give the same publication to the byte; a new day takes one
more file over a live publication.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from benchmarks.daily.following import SEED, Published, following
from benchmarks.report import Figure, write_report
from recsys_batch.edge.store import store_folder
from recsys_batch.publish.pointer import read_current

COMMAND = "python -m benchmarks.daily.run"
PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GOALS = {"sample": 40.0, "online_retail": 60.0}  # seconds of a warm run on two cores
_SECONDS = re.compile(r"([a-z]+) (\d+\.\d)")


@dataclass
class Report:
    """The figures of one run of this command, in the order taken."""

    figures: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, value: float, goal: float | None = None, *, at_most: bool = False
    ) -> None:
        """Add a figure, and show it."""
        figure = Figure(name, float(value), goal, at_most)
        self.figures.append(figure)
        missed = "  MISSED" if figure.holds is False else ""
        sys.stdout.write(f"{name} {figure.row['value']}{missed}\n")
        sys.stdout.flush()

    def write(self, load: str) -> None:
        """Write the report."""
        write_report(
            "daily",
            self.figures,
            heading="Whole days",
            about=f"{os.cpu_count()} cores, Python {platform.python_version()}. Load of the "
            f"machine (1, 5, 15 minutes) before: {load}; after: {_load()}. Seconds of a run are "
            "the process's, from its start to its end; those of a stage are the command's own. "
            "*After* compares the published lists with what users did on the days after, against "
            "popularity as it stood (`popular`) and plain counts (`counted`).",
            command=COMMAND,
            seed=SEED,
        )


@dataclass
class Bench:
    """A data set's landing folder, which files are copied into, and its lake."""

    report: Report
    dataset: str
    work: Path
    source: Path

    @property
    def landing(self) -> Path:
        """Folder that a run is given."""
        return self.work / self.dataset / "landing"

    @property
    def lake(self) -> Path:
        """Folder of this data set's lake."""
        return self.work / self.dataset / "lake"

    def land(self, last: str) -> None:
        """Copy the files whose names are no day after `last`; a name that is no day lands first."""
        for path in sorted(each for each in self.source.rglob("*") if each.is_file()):
            to = self.landing / path.relative_to(self.source)
            dated = path.stem[:1].isdigit()
            if not to.exists() and (not dated or path.stem <= last):
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)

    def run(self, name: str, day: str, goal: float | None = None, *more: str) -> str:
        """Run a day, time it, and return the publication that is live then."""
        began = time.perf_counter()
        printed = _command(
            *("run", "--dataset", self.dataset, "--date", day),
            *("--landing", self.landing, "--lake", self.lake),
            *more,
        )
        seconds = time.perf_counter() - began
        title = f"{self.dataset}.{name}.seconds"
        self.report.add(title, seconds, goal, at_most=True)
        stages = printed.rpartition("seconds: ")[2].partition(";")[0]
        for stage, spent in _SECONDS.findall(stages):
            self.report.add(f"{title}.{stage}", float(spent))
        live = read_current(self.lake / self.dataset)
        if live is None:
            raise SystemExit(f"{self.dataset} {day}: nothing is live")
        return live

    def repeat(self, day: str, before: str, goal: float | None) -> None:
        """Run a day that was run, and compare publication and edge store."""
        folder = store_folder(self.lake / self.dataset, before)
        was = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.run("nothing_new", day)
        live = self.run("warm", day, goal, "--again")
        now = {path.name: path.read_bytes() for path in folder.iterdir()}
        same = live == before and was == now
        self.report.add(f"{self.dataset}.warm.same_publication_and_edge_bytes", same, 1)

    def conserve(self, landed: int) -> None:
        """Hold the stored counts against the rows that the files have."""
        found = json.loads(_command("status", *self._which(), "--json"))["rows"]
        for name, value in found.items():
            self.report.add(f"{self.dataset}.rows.{name}", value)
        self.report.add(f"{self.dataset}.rows.lost", abs(landed - found["landed"]), 0, at_most=True)
        lost = found["landed"] - sum(found[each] for each in found if each != "landed")
        self.report.add(f"{self.dataset}.rows.unaccounted", abs(lost), 0, at_most=True)

    def quality(self, day: str) -> None:
        """Report the hold-out's NDCG@10 with intervals, and that of the days after."""
        published = Published(self.dataset, date.fromisoformat(day), self.lake)
        metrics = published.table("metrics", run_id=published.publication)
        for row in metrics.sort("model").iter_rows(named=True):
            if row["metric"] == "ndcg@10":
                for end in ("value", "low", "high"):
                    name = f"{self.dataset}.holdout.ndcg@10.{row['model']}.{end}"
                    self.report.add(name, row[end])
        after = following(published)
        self.report.add(f"{self.dataset}.after.users", len(after.users))
        self.report.add(f"{self.dataset}.after.users_unknown_on_the_day", after.cold)
        self.report.add(f"{self.dataset}.after.ndcg@10.lists", after.ndcg(after.lists).mean())
        for name in ("popular", "counted"):
            lists = getattr(after, name)
            gain = after.against(lists).difference
            self.report.add(f"{self.dataset}.after.ndcg@10.{name}", after.ndcg(lists).mean())
            for end in ("value", "low", "high"):
                goal = 0.0 if end == "low" else None
                title = f"{self.dataset}.after.ndcg@10.lists_less_{name}.{end}"
                self.report.add(title, getattr(gain, end), goal)

    def _which(self) -> tuple[object, ...]:
        return ("--dataset", self.dataset, "--lake", self.lake)


def _command(*arguments: object) -> str:
    done = subprocess.run(
        [str(BIN / "recsys-batch"), *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"recsys-batch {arguments[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def _load() -> str:
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def sample(report: Report, work: Path) -> None:
    """The shop that `make run` makes: 2,000 users, 1,000 items, 30 days."""
    shop = work / "shop"
    _command("simulate", "--out", shop)
    bench = Bench(report, "sample", work, shop / "landing")
    days = sorted(path.stem for path in (shop / "landing" / "events").iterdir())
    bench.land(days[-2])
    live = bench.run("cold", days[-2])
    bench.repeat(days[-2], live, GOALS["sample"])
    bench.land(days[-1])
    bench.run("new_day", days[-1], GOALS["sample"])
    files = (shop / "landing").rglob("*.csv")
    bench.conserve(sum(len(path.read_text().splitlines()) - 1 for path in files))


def online_retail(report: Report, work: Path, datasets: Path) -> None:
    """UCI Online Retail: a year cold, the same day warm, a new day, then all that is left."""
    bench = Bench(report, "online_retail", work, datasets / "online_retail" / "by-day")
    bench.land("2011-11-30")
    live = bench.run("cold", "2011-11-30")
    bench.repeat("2011-11-30", live, GOALS["online_retail"])
    bench.land("2011-12-01")
    bench.run("new_day", "2011-12-01", GOALS["online_retail"])
    bench.land("2011-12-09")
    _command(
        *("ingest", "--dataset", bench.dataset, "--date", "2011-12-09"),
        *("--landing", bench.landing, "--lake", bench.lake),
    )
    bench.conserve(541_909)
    bench.quality("2011-11-30")


def movielens(report: Report, work: Path, datasets: Path) -> None:
    """MovieLens 100K: one day cold, and the weeks after it."""
    bench = Bench(report, "movielens_100k", work, datasets / "ml-100k")
    bench.land("")
    bench.run("cold", "1998-02-10")
    bench.conserve(102_625)
    bench.quality("1998-02-10")


@contextlib.contextmanager
def _work_folder(named: Path | None) -> Iterator[Path]:
    if named is not None:
        named.mkdir(parents=True)
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--datasets", type=Path, default=PROJECT.parent / "shared" / "datasets")
    parser.add_argument("--work", type=Path, help="new folder to keep lakes in; default: none kept")
    given = parser.parse_args()
    os.environ.setdefault("RECSYS_BATCH_PSEUDONYM_KEY", "a key for benchmarks alone, no secret")
    report, load = Report(), _load()
    with _work_folder(given.work) as work:
        sample(report, work)
        if given.datasets.is_dir():
            online_retail(report, work, given.datasets)
            movielens(report, work, given.datasets)
        else:
            sys.stdout.write(f"real data are absent: no folder {given.datasets}\n")
    report.write(load)


if __name__ == "__main__":
    main()

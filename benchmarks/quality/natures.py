"""Logs of different nature, each run by the shipped pipeline with nothing set by hand.

Every table lands its files in a lake of its own, runs the stages of a day up to `evaluate`, and
holds the lists of the hold-out's users against popularity, every source alone, and tuned
implicit-feedback ALS.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.quality.compared import Judged, judge, rows_of
from benchmarks.quality.lakes import Day, Nature, Say, own_key, run_days, source_ids
from benchmarks.quality.report import Row
from benchmarks.quality.rivals import tuned_als


def _customers(folder: Path) -> Iterable[str]:
    read = pl.scan_csv(folder / "*.csv", infer_schema=False, encoding="utf8-lossy")
    named = read.select(pl.col("CustomerID").str.replace(r"[.]0$", "")).drop_nulls()
    return named.unique().collect()["CustomerID"]


def _viewers(folder: Path) -> Iterable[str]:
    read = pl.read_csv(folder / "u.data", separator="\t", has_header=False, infer_schema=False)
    return read.to_series(0).unique()


NATURES = {
    "online_retail": Nature(
        "UCI Online Retail, the last week of its year: a wholesaler's customers, who come again "
        "for the same things",
        dataset="online_retail",
        days=("2011-12-09",),
        files="online_retail/by-day",
        user_ids=_customers,
    ),
    "movielens_time": Nature(
        "MovieLens 100K by time: the last fortnights of the log, each by a run of its own; most "
        "users rate on one day and never come back",
        dataset="movielens_100k",
        days=("1998-02-25", "1998-03-11", "1998-03-25", "1998-04-08", "1998-04-22"),
        files="ml-100k",
        user_ids=_viewers,
    ),
    "shop": Nature("The simulator's shop", dataset="sample", preset="shop"),
    "news": Nature(
        "The simulator's news: an item lives about a day, so that most of what the week of the "
        "hold-out wants does not exist when it begins",
        dataset="sample",
        preset="news",
    ),
    "groceries": Nature(
        "The simulator's groceries: half of what is bought is bought again",
        dataset="sample",
        preset="groceries",
    ),
    "films": Nature(
        "The simulator's films: no impressions, nothing bought twice",
        dataset="sample",
        preset="films",
    ),
}
PROTOCOL = (
    "The shipped pipeline with the data set's default configuration; all items ranked; lists, "
    "popularity, sources and implicit-feedback ALS learn from the days before the hold-out, and "
    "ALS is tuned on the last of these. Intervals by bootstrap of users; a difference holds where "
    "its interval lies above zero"
)


def run(name: str, nature: Nature, *, data: Path, out: Path, say: Say) -> list[Row]:
    """Run one table, leave its lists, and score them."""
    judged: list[Judged] = []
    frames: list[pl.DataFrame] = []
    recipes = {}
    with tempfile.TemporaryDirectory() as folder, own_key(Path(folder)):
        landed = nature.landed(data, Path(folder))
        users = source_ids(landed.user_ids)
        for day in run_days(nature, landed, Path(folder), say=say):
            judged.append(judge(day, tuned_als(day, say=say)))
            frames.append(left_lists(day, judged[-1], users))
            recipes[str(day.cutoff)] = day.model.recipe.summary()
            say(f"scored {len(judged[-1].keys)} users from {day.cutoff} on")
    home = out / name
    home.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_parquet(home / "lists.parquet")
    (home / "choices.json").write_text(json.dumps(recipes, indent=2) + "\n")
    return rows_of(name, judged)


def left_lists(day: Day, judged: Judged, users: dict[str, str]) -> pl.DataFrame:
    """Our lists in the source's ids: user, item, rank (from 1), and the first day held out."""
    rows, places = np.nonzero(judged.lists >= 0)
    names = np.array([users[key.decode()] for key in judged.keys])
    ids = np.array(day.model.trained_on.ids)
    return pl.DataFrame(
        {
            "user": names[rows],
            "item": ids[judged.lists[rows, places]],
            "rank": (places + 1).astype(np.int32),
            "since": pl.Series([day.cutoff]).new_from_index(0, len(rows)),
        }
    )

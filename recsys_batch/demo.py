"""The first minutes: make the sample, run its last day, show the result and what to do next."""

from __future__ import annotations

from pathlib import Path

import click

from recsys_batch.config import load_settings
from recsys_batch.day import run_stages, simulate_shop
from recsys_batch.inspection import dataset_home, first_listed_user, list_text, live_list
from recsys_batch.pipeline import STAGES

SAMPLE = "sample"


def demo(lake: str) -> None:
    """Run the main job on the sample, which is made first where it is missing."""
    landing = Path(load_settings(SAMPLE).dataset.landing or "")
    events = landing / "events"
    if not (landing.parent / "truth" / "counts.json").is_file():
        simulate_shop("shop", {}, landing.parent)
    day = max(path.stem for path in events.iterdir())
    run_stages(STAGES, dataset=SAMPLE, day=day, landing=None, lake=lake, again=False)
    home, _ = dataset_home(SAMPLE, lake)
    user = first_listed_user(home, [f"u{number:06}" for number in range(1000)])
    if user is not None:
        click.echo(f"\n$ recsys-batch show {user}")
        click.echo(list_text(live_list(user, dataset=SAMPLE, lake=lake, region=None, n=10)))
    click.echo(
        f"""
Where it lies
  tables          {home}/{{bronze,silver,gold}}/ (Delta)
  live lists      {home}/edge/ (LMDB), {home}/exports/ (Parquet, JSON lines)
  validation      {home}/data_docs/index.html
  model cards     {home}/cards/
  model tracking  {home}/mlflow.db
  log, audit      {home}/logs/runs.jsonl, {home}/audit.jsonl

What to try next (after `. .venv/bin/activate`, or with .venv/bin/ before each)
  recsys-batch show {user} --json         what a service would get
  recsys-batch serve                      the same over HTTP
  recsys-batch status                     what is live, and why the gate let it pass
  recsys-batch init my_events.csv --name my
                                          propose a mapping for your own files, and then
  recsys-batch run --dataset my --date YYYY-MM-DD"""
    )

"""``recsys-batch quarantine``: look at the lines that broke the contract, and replay them."""

from __future__ import annotations

import json

import click

from recsys_batch.options import DATASET, JSON, LAKE, SETS, Commands

_REASONS = click.option(
    "--reason", "reasons", multiple=True, help="Only lines with this reason; may be repeated."
)


@click.group(cls=Commands)
def quarantine() -> None:
    """Look at the landed lines that broke the contract, and replay them."""


@quarantine.command("list")
@DATASET
@LAKE
@JSON
def list_counts(dataset: str, lake: str, as_json: bool) -> None:
    """Count the lines by reason, source and batch, with an example of each."""
    from recsys_batch.ingest.quarantine import counts_text, quarantine_counts
    from recsys_batch.inspection import dataset_home

    rows = quarantine_counts(dataset_home(dataset, lake)[0])
    click.echo(json.dumps(rows) if as_json else counts_text(rows))


@quarantine.command("show")
@DATASET
@LAKE
@_REASONS
@click.option("--file", help="Only lines of this file, as `list` names it.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--records", is_flag=True, help="Show the lines, too; they hold raw user ids.")
@JSON
def show_lines(
    dataset: str,
    lake: str,
    reasons: tuple[str, ...],
    file: str | None,
    limit: int,
    records: bool,
    as_json: bool,
) -> None:
    """Show the first lines: reason, what was found, file and line."""
    from recsys_batch.ingest.quarantine import lines_text, quarantined_lines
    from recsys_batch.inspection import dataset_home

    home, _ = dataset_home(dataset, lake)
    rows = quarantined_lines(home, reasons=reasons, file=file, limit=limit, records=records)
    click.echo(json.dumps(rows) if as_json else lines_text(rows))


@quarantine.command("replay")
@DATASET
@LAKE
@_REASONS
@SETS
def replay_lines(dataset: str, lake: str, reasons: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Read the lines anew with today's mapping; what is good now counts from the next run on."""
    from recsys_batch.day import replay_quarantine

    replay_quarantine(dataset=dataset, lake=lake, reasons=reasons, sets=sets)

"""The command line, ``recsys-batch``: a day's run, its stages, and what to do with their result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from recsys_batch.options import DATASET, HORIZON, JSON, LAKE, LANDING, SETS, Commands, day_options
from recsys_batch.pipeline import STAGES, Stage, stage
from recsys_batch.quarantine_commands import quarantine

_EXPORT = stage("export")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recsys-batch")
def main() -> None:
    """Batch-first offline recommendations: from event logs to versioned top-N lists."""


main.add_command(quarantine)


@main.command()
@day_options
@click.option("--again", is_flag=True, help="Make lists anew, too, that are sealed already.")
def run(**options: Any) -> None:
    """Run every stage of a day in one session; what is done and unchanged is passed over."""
    from recsys_batch.day import run_stages

    run_stages(STAGES, **options)


def _add_stage(stage: Stage) -> None:
    @main.command(stage.name, help=f"Stage: {stage.summary}.")
    @day_options
    def command(**options: Any) -> None:
        from recsys_batch.day import run_stages

        run_stages([stage], **options)


for _stage in STAGES:
    if _stage.name != "export":
        _add_stage(_stage)


@main.command()
@click.option("--from", "first", required=True, help="First logical day, YYYY-MM-DD (UTC).")
@click.option("--to", "last", required=True, help="Last logical day, included.")
@click.option("--reversed", "backwards", is_flag=True, help="Latest day first.")
@click.option("--again", is_flag=True, help="Run days, too, whose publication is sealed already.")
@click.option(
    "--until",
    "final",
    type=click.Choice([each.name for each in STAGES]),
    default=STAGES[-1].name,
    show_default=True,
    help="Last stage of each day.",
)
@click.option("--dataset", required=True, help="A file of conf/datasets/, or a path.")
@LANDING
@LAKE
@HORIZON
@SETS
def backfill(first: str, last: str, backwards: bool, final: str, **options: Any) -> None:
    """Run each day of a range in one session; sealed days are passed over."""
    from recsys_batch.day import backfill as run_days
    from recsys_batch.day import days_between

    days = days_between(first, last)
    names = [each.name for each in STAGES]
    stages = STAGES[: names.index(final) + 1]
    run_days(stages, days=days[::-1] if backwards else days, **options)


@main.command(help=f"Stage: {_EXPORT.summary}. With --to: copy what is live, without Spark.")
@click.option(
    "--to", type=click.Path(path_type=Path), help="Copy the live publication's plain exports here."
)
@DATASET
@click.option("--date", "day", help="Logical day, YYYY-MM-DD (UTC); not with --to.")
@LANDING
@LAKE
@HORIZON
@SETS
def export(to: Path | None, day: str | None, **options: Any) -> None:
    """Run the stage, or copy the exports of the live publication."""
    if to is not None:
        from recsys_batch.inspection import copy_live_exports

        if day is not None:
            raise click.UsageError("--to copies what is live, of whatever day: leave out --date")
        click.echo(copy_live_exports(to, dataset=options["dataset"], lake=options["lake"]))
        return
    if day is None:
        raise click.UsageError("add --date YYYY-MM-DD to export a day, or --to DIR to copy")
    from recsys_batch.day import run_stages

    run_stages([_EXPORT], day=day, **options)


@main.command()
@click.option("--preset", default="shop", show_default=True, help="shop, news, groceries, films.")
@click.option("--users", type=int, help="Users that have arrived after 30 days.")
@click.option("--items", type=int, help="Items that have arrived after 30 days.")
@click.option("--days", type=int, help="Days to simulate.")
@click.option("--seed", type=int, help="Seed; equal seeds give equal bytes.")
@click.option("--format", type=click.Choice(["csv", "jsonl"]), help="Format of the event files.")
@click.option("--out", default="data/sample", show_default=True, help="Folder to write below.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Any other shop setting.")
def simulate(preset: str, out: str, sets: tuple[str, ...], **given: Any) -> None:
    """Write the landing files of a simulated shop with known tastes."""
    from recsys_batch.day import parse_sets, simulate_shop

    named = {key: value for key, value in given.items() if value is not None}
    simulate_shop(preset, {**named, **parse_sets(sets)}, Path(out))


@main.command()
@LAKE
def demo(lake: str) -> None:
    """Make the sample, run its last day, and show what came out."""
    from recsys_batch.demo import demo as show_all

    show_all(lake)


@main.command("init")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the dataset; lower-case letters and _.")
def init_dataset(file: Path, name: str) -> None:
    """Propose conf/datasets/NAME.yaml by looking at FILE."""
    from recsys_batch.config import conf_folder
    from recsys_batch.ingest.propose import propose, write_proposal

    proposal = propose(file, name=name)
    path = write_proposal(proposal, conf_folder())
    click.echo(f"wrote {path}")
    for note in proposal.notes:
        click.echo(f"  check: {note}")
    click.echo(f"next: recsys-batch run --dataset {name} --date YYYY-MM-DD")


@main.command()
@click.argument("user")
@DATASET
@LAKE
@click.option("--cohort", help="Cohort to fall back to.")
@click.option("--region", help="Region to fall back to, where the cohort has no list.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Items to show.",
)
@JSON
def show(
    user: str,
    dataset: str,
    lake: str,
    cohort: str | None,
    region: str | None,
    count: int,
    as_json: bool,
) -> None:
    """Show the live list of USER (the raw id), with the reason for each item."""
    from recsys_batch.inspection import list_text, live_list

    found = live_list(user, dataset=dataset, lake=lake, region=region, cohort=cohort, n=count)
    click.echo(json.dumps(found) if as_json else list_text(found))


@main.command()
@DATASET
@LAKE
@JSON
def status(dataset: str, lake: str, as_json: bool) -> None:
    """Say what is live, how good it is, and what was taken in."""
    from recsys_batch.inspection import dataset_status, status_text

    found = dataset_status(dataset=dataset, lake=lake)
    click.echo(json.dumps(found) if as_json else status_text(found))


@main.command()
@DATASET
@LAKE
@click.option("--date", "day", help="Logical day, YYYY-MM-DD; default: the last that ran.")
@JSON
def cost(dataset: str, lake: str, day: str | None, as_json: bool) -> None:
    """Say what each stage of a day took: time, cores, memory and bytes."""
    from recsys_batch.inspection import cost_rows, cost_text

    rows = cost_rows(dataset=dataset, lake=lake, day=day)
    click.echo(json.dumps(rows) if as_json else cost_text(rows, dataset=dataset, lake=lake))


@main.command()
@DATASET
@LAKE
@JSON
def publications(dataset: str, lake: str, as_json: bool) -> None:
    """List the sealed publications; a kept one can be rolled back to."""
    from recsys_batch.inspection import publication_rows, publications_text

    rows = publication_rows(dataset=dataset, lake=lake)
    click.echo(json.dumps(rows) if as_json else publications_text(rows))


@main.command()
@DATASET
@LAKE
@click.option("--to", help="Publication to return to; default: the one live before.")
def rollback(dataset: str, lake: str, to: str | None) -> None:
    """Make a kept publication live again, at once and without Spark."""
    from recsys_batch.inspection import roll_back

    click.echo(roll_back(dataset=dataset, lake=lake, to=to))


@main.command()
@DATASET
@LAKE
@click.option(
    "--keep-hours",
    type=click.FloatRange(min=0),
    default=168,
    show_default=True,
    help="Keep what was current within so many hours, for readers and for time travel.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be.")
def vacuum(dataset: str, lake: str, keep_hours: float, dry_run: bool) -> None:
    """Remove data files that no kept version names: replaced rows, and what kills left behind."""
    from recsys_batch.inspection import vacuum_dataset

    for line in vacuum_dataset(dataset=dataset, lake=lake, keep_hours=keep_hours, dry_run=dry_run):
        click.echo(line)


@main.command("user-key")
@click.argument("user")
def user_key(user: str) -> None:
    """Print the pseudonym of USER (the raw id)."""
    from recsys_batch.ingest.pseudonyms import load_key

    click.echo(load_key(create=False)[0].user_key(user))


@main.group()
def pseudonym() -> None:
    """Change the key that makes pseudonyms of user ids."""


@pseudonym.command("new-key")
def new_key() -> None:
    """Make a new key; the one before stays beside it as the old key."""
    from recsys_batch.ingest.pseudonyms import change_key

    made = change_key()
    click.echo(f"{made.origin}: now key {made.key_id}; next: `recsys-batch pseudonym rekey`")


@pseudonym.command()
@DATASET
@LAKE
def rekey(dataset: str, lake: str) -> None:
    """Move the users of a data set from the old key to the current one."""
    from recsys_batch.day import rekey_dataset

    rekey_dataset(dataset=dataset, lake=lake)


@main.command()
@DATASET
@LAKE
@click.option("--host", help="Address to listen on; default: edge.host.")
@click.option("--port", type=int, help="Port to listen on; 0 picks a free one.")
def serve(dataset: str, lake: str, host: str | None, port: int | None) -> None:
    """Answer GET /v1/recommendations/{user} from the live publication."""
    from recsys_batch.inspection import serve_live

    serve_live(dataset=dataset, lake=lake, host=host, port=port)


@main.command()
@DATASET
@SETS
def settings(dataset: str, sets: tuple[str, ...]) -> None:
    """Print the settings that a run would use."""
    import yaml

    from recsys_batch.config import load_settings
    from recsys_batch.day import parse_sets

    found = load_settings(dataset, overrides=parse_sets(sets)).model_dump(mode="json")
    click.echo(yaml.safe_dump(found, sort_keys=False), nl=False)


@main.command()
@click.argument("source", required=False)
@JSON
def contract(source: str | None, as_json: bool) -> None:
    """Print the data contract of SOURCE; without one, list the contracts."""
    from recsys_batch.odcs.load import contract_json, contract_names, contract_path, read_contract

    if source is not None:
        path = contract_path(source)
        click.echo(contract_json(source) if as_json else path.read_text(encoding="utf-8"), nl=False)
        return
    found = {name: read_contract(contract_path(name)) for name in contract_names()}
    if as_json:
        click.echo(json.dumps({name: each.version for name, each in found.items()}))
        return
    for name, each in found.items():
        click.echo(f"{name:<8} {each.version:<8} {each.description.purpose}")


@main.command()
@LAKE
def doctor(lake: str) -> None:
    """Say what this machine lacks, and the fix for each."""
    from recsys_batch.doctor import checks, render

    found = checks(lake=lake)
    click.echo(render(found))
    sys.exit(0 if all(check.ok for check in found) else 3)

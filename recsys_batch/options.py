"""What the commands share: their options, and how every error of ours ends."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click

from recsys_batch.errors import TRACEBACK, RecsysError

_F = TypeVar("_F", bound=Callable[..., object])

LAKE = click.option(
    "--lake",
    default="lake",
    envvar="RECSYS_BATCH_LAKE",
    show_default=True,
    help="Folder that holds the tables of every dataset.",
)
DATASET = click.option(
    "--dataset",
    default="sample",
    envvar="RECSYS_BATCH_DATASET",
    show_default=True,
    help="A file of conf/datasets/, or a path to one.",
)
LANDING = click.option("--landing", help="Folder your files land in; default: the dataset's.")
SETS = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


HORIZON = click.option(
    "--horizon",
    type=click.IntRange(min=1),
    help="Last batch to read, to repeat what a run saw before later ones landed.",
)


class Commands(click.Group):
    """Ends every error of ours with its one sentence and exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RecsysError as error:
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)


def day_options(command: _F) -> _F:
    """Give a command the options of a day's run."""
    for option in (
        SETS,
        HORIZON,
        LAKE,
        LANDING,
        click.option("--date", "day", required=True, help="Logical day, YYYY-MM-DD (UTC)."),
        click.option("--dataset", required=True, help="A file of conf/datasets/, or a path."),
    ):
        command = option(command)
    return command

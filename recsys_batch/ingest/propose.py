"""Proposing a dataset: from a file's first records to a commented ``conf/datasets/NAME.yaml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.config import EVENT_FIELDS
from recsys_batch.errors import ConfigError
from recsys_batch.ingest.guess.acts import REPEATS, Acts, acts, repeat_share
from recsys_batch.ingest.guess.mapping import Choice, choose
from recsys_batch.ingest.guess.roles import Column
from recsys_batch.ingest.guess.sample import Sample, look
from recsys_batch.ingest.guess.text import Text, flow
from recsys_batch.ingest.guess.words import STEMS

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Proposal:
    """A dataset's settings as proposed.

    Attributes
    ----------
    name
        The dataset.
    yaml
        Text of ``conf/datasets/NAME.yaml``: complete, with the reason of each choice.
    notes
        What a person should check, in the text's order; each also stands in the text after CHECK.
    """

    name: str
    yaml: str
    notes: tuple[str, ...]


def propose(file: Path, *, name: str) -> Proposal:
    """Propose a dataset by looking at the first records of one of its event files.

    Parameters
    ----------
    file
        A CSV, JSON-lines or Parquet file of events; text may be compressed (.gz, .zst).
    name
        The dataset's name: lower-case letters, digits and _.

    Raises
    ------
    LandingError
        The file is missing, a folder, empty, damaged, or neither CSV, JSON lines nor Parquet.
    MappingError
        No column can be told to be the user, the item or the time.
    ConfigError
        The name does not fit.
    """
    _require_name(name)
    sample = look(file)
    named = sample.source.format != "csv" or sample.source.header
    columns = tuple(
        Column(each, place, tuple(row[place] for row in sample.rows))
        for place, each in enumerate(sample.names)
        if each
    )
    fields = choose(columns, named=named, where=str(file))
    made = acts(fields, records=len(sample.rows))
    text = Text()
    _write_head(text, file, sample, name, fields["time"])
    _write_source(text, sample)
    _write_time(text, fields["time"], columns)
    _write_types(text, made)
    _write_fields(text, fields, columns)
    _write_use(text, fields, made)
    return Proposal(name, text.yaml(), tuple(text.notes))


def write_proposal(proposal: Proposal, conf: Path) -> Path:
    """Write ``conf/datasets/NAME.yaml`` and return its path.

    Raises
    ------
    ConfigError
        There is such a file already; it is left as it is.
    """
    path = conf / "datasets" / f"{proposal.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as handle:
            handle.write(proposal.yaml)
    except FileExistsError as error:
        raise ConfigError(
            f"the dataset {proposal.name!r} exists already",
            where=str(path),
            fix="choose another --name, or move that file away",
        ) from error
    return path


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name of a dataset",
            where="--name",
            fix="use lower-case letters, digits and _, a letter first",
        )


def _write_head(text: Text, file: Path, sample: Sample, name: str, time: Choice) -> None:
    part = "all" if sample.whole else "the first"
    text.say(
        f"Proposed by `recsys-batch init` from {part} {len(sample.rows)} records of {file.name}. "
        "What is marked CHECK was guessed; docs/own-data.md explains every key."
    )
    text.add("dataset:")
    text.set("name", name, 2)
    text.set("title", name.replace("_", " ").capitalize(), 2)
    text.say("Files are taken from this folder, unless --landing names another.", 2)
    text.set("landing", str(file.parent.resolve()), 2)
    if time.column.time and time.column.time.zoned:
        text.say("The times say their zone themselves, or count from 1970 in UTC.", 2)
    else:
        text.check("the times say no zone and are read as UTC; name the zone of their clock", 2)
    text.set("time_zone", "UTC", 2)


def _write_source(text: Text, sample: Sample) -> None:
    text.add("  events:")
    for key in ("pattern", "format", "delimiter", "header", "encoding"):
        if key not in sample.why:
            continue
        text.say(f"{sample.why[key][0].upper()}{sample.why[key][1:]}.", 4)
        text.set(key, getattr(sample.source, key), 4)
    if sample.source.columns:
        text.say(
            "The files name no columns, so these names are made up; rename them throughout.", 4
        )
        text.set("columns", list(sample.source.columns), 4)
    text.check_all(sample.checks, 4)


def _write_time(text: Text, choice: Choice, columns: tuple[Column, ...]) -> None:
    kind = choice.column.time
    assert kind is not None
    text.say(f"{choice.why}: {kind.share:.1%} of its values are such times.", 4)
    text.check_all(choice.checks, 4)
    if not kind.clock:
        clocks = [each.name for each in columns if _is_clock(each)]
        also = f", and {clocks[0]} may hold it: join them with concat_ws" if clocks else ""
        text.check(f"{choice.column.name} says the day only, not the time of day{also}", 4)
    text.set("time", choice.expression, 4)
    text.set("time_format", kind.format, 4)


def _is_clock(column: Column) -> bool:
    return bool(column.values) and all(
        re.fullmatch(r"\d{1,2}:\d{2}(:\d{2}.*)?", each) for each in column.values
    )


def _write_types(text: Text, made: Acts) -> None:
    text.say("The first rule that holds names the event's type; with none, a line is refused.", 4)
    text.check_all(made.checks, 4)
    text.add("    types:")
    for rule in made.rules:
        text.say(f"{rule.why[0].upper()}{rule.why[1:]}.", 6)
        shown = {"type": rule.type} | ({"when": rule.when} if rule.when else {})
        text.add(f"      - {flow(shown)}")


def _write_fields(text: Text, fields: dict[str, Choice], columns: tuple[Column, ...]) -> None:
    text.add("    fields:")
    for field in sorted(EVENT_FIELDS & set(fields), key=list(STEMS).index):
        choice = fields[field]
        if not choice.plain:
            text.say(f"{choice.why}.", 6)
        text.check_all(choice.checks, 6)
        text.set(field, choice.expression, 6)
    used = {choice.column.name for choice in fields.values()}
    if unused := [each.name for each in columns if each.name not in used]:
        text.say(f"Not used: {', '.join(unused)}.", 6)


def _write_use(text: Text, fields: dict[str, Choice], made: Acts) -> None:
    text.say(
        "What an event of each type says about taste, against the strongest; a type that is not "
        "named says nothing.",
        2,
    )
    text.set("weights", made.weights, 2)
    share, events = repeat_share(fields, made)
    strongest = " and ".join(made.strongest)
    allow = share >= REPEATS and "rating" not in made.strongest
    text.add("recommend:")
    text.say(
        f"{share:.1%} of the {events} {strongest} events read are of an item that the user had "
        "chosen at another time before; "
        + ("so lists may hold such items." if allow else "so lists leave such items out."),
        2,
    )
    if REPEATS / 2 <= share < 2 * REPEATS and "rating" not in made.strongest:
        text.check(f"whether lists should hold what a user has had: {share:.1%} are repeats", 2)
    text.set("seen", "allow" if allow else "exclude", 2)
    text.set("seen_types", list(made.strongest), 2)
    text.add("evaluation:")
    text.say("Lists are measured by the strongest type of event that the files hold.", 2)
    text.set("relevant_types", list(made.strongest), 2)

"""The single checks of `doctor`, each of which looks at one thing.

What is not in the standard library is imported within the check that needs it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch.errors import ConfigError
from recsys_batch.setup import jars, jdk, machine, system

if TYPE_CHECKING:
    from recsys_batch.config import EdgeSettings, LakeSettings, SparkSettings

LOCK = Path(__file__).resolve().parent.parent.parent / "requirements.lock"

_DISK_NEEDED = 2 * 2**30  # Spark's scratch files and a few publications of a small lake
_GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What was looked at.
    ok
        Whether it will do.
    found
        What was found.
    fix
        What to do, as an imperative clause; empty where `ok`.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""


def python() -> Check:
    """Look at the Python this runs in."""
    found = f"{sys.version.split()[0]} ({sys.executable})"
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check(
        "Python", ok, found, "" if ok else "run `make setup PYTHON=...` with Python 3.11 to 3.13"
    )


def packages(lock: Path) -> Check:
    """Compare the installed packages with the lock file."""
    if not lock.is_file():
        return Check("Packages", True, "installed without a lock file, versions not compared")
    installed = {
        _normal(each.metadata["Name"]): each.version
        for each in metadata.distributions()
        if each.metadata["Name"]
    }
    pins = dict(_pins(lock))
    wrong = [
        f"{name} {installed.get(name, 'missing')} (locked {version})"
        for name, version in pins.items()
        if installed.get(name) != version
    ]
    if not wrong:
        return Check("Packages", True, f"all {len(pins)} as locked")
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    fix = f"run `touch {lock.name} && make setup`, which installs what is locked"
    return Check("Packages", False, ", ".join(wrong[:3]) + more, fix)


def _pins(lock: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and version of each locked package that this platform needs."""
    from packaging.markers import Marker

    text = lock.read_text(encoding="utf-8")
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)([^\n\\]*)", text, re.MULTILINE):
        marker = match[3].strip().removeprefix(";").strip()
        if not marker or Marker(marker).evaluate():
            yield _normal(match[1]), match[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def openmp() -> Check:
    """Look for the OpenMP library."""
    if system.has_openmp():
        return Check("OpenMP", True, "found")
    return Check("OpenMP", False, f"no {system.OPENMP}", system.openmp_fix())


def java() -> Check:
    """Look for a Java."""
    java = jdk.require_java()
    return Check("Java", True, f"{java.version} ({java.home})")


def delta() -> Check:
    """Compare Delta's jars with the installed pyspark and delta-spark."""
    missing, stale = jars.missing_jars(), jars.stale_jars()
    if missing or stale:
        found = "; ".join(
            f"{word} {', '.join(names)}"
            for word, names in (("missing", missing), ("of another version", stale))
            if names
        )
        return Check("Delta's jars", False, found, "run `python -m recsys_batch.setup`")
    other = jars.foreign_spark_home()
    if other:
        found = f"SPARK_HOME is {other}, not the installed pyspark"
        return Check("Delta's jars", False, found, "unset SPARK_HOME")
    return Check("Delta's jars", True, jars.delta_jars()[0])


def _settings() -> tuple[SparkSettings, EdgeSettings, LakeSettings]:
    from recsys_batch.config import (
        EdgeSettings,
        LakeSettings,
        SparkSettings,
        conf_folder,
        read_yaml,
    )

    merged: dict[str, dict[str, object]] = {"spark": {}, "edge": {}, "lake": {}}
    overlay = os.environ.get("RECSYS_BATCH_ENV", "local")
    for name in ("base", overlay):
        content = read_yaml(conf_folder() / f"{name}.yaml")
        for part, given in merged.items():
            given |= content.get(part) or {}
    try:
        return (
            SparkSettings.model_validate(merged["spark"]),
            EdgeSettings.model_validate(merged["edge"]),
            LakeSettings.model_validate(merged["lake"]),
        )
    except ValueError as error:
        raise ConfigError(
            f"spark, edge or lake settings are not valid ({' '.join(str(error).split())[:200]})",
            where=str(conf_folder()),
            fix="correct base.yaml or the overlay there",
        ) from error


def memory() -> Check:
    """Compare the configured driver memory with what is available."""
    wanted = _settings()[0].driver_memory
    need, have = machine.parse_memory(wanted), machine.available_memory()
    if have is None:
        return Check("Memory", True, f"{wanted} wanted; the system does not say what is available")
    found = f"{have / _GIB:.1f} GiB available, {wanted} wanted (spark.driver_memory)"
    fix = "close other programs, or run with --set spark.driver_memory=1g"
    return Check("Memory", have >= need, found, "" if have >= need else fix)


def disk(lake: str | Path) -> Check:
    """Look at the space where the lake lies."""
    free = machine.free_disk(Path(lake))
    ok = free >= _DISK_NEEDED
    fix = f"free some space, {_DISK_NEEDED / _GIB:.0f} GiB at least, or name another --lake"
    return Check("Disk", ok, f"{free / _GIB:.1f} GiB free at {lake}", "" if ok else fix)


def lake(lake: str | Path) -> Check:
    """Look whether the lake can be written, and for tables that were left half-written."""
    from recsys_batch.lake.places import lake_folder

    home = lake_folder(str(lake))
    if not machine.is_writable(home):
        return Check("Lake", False, f"{home} cannot be written", "name another folder with --lake")
    # A table is lake/DATASET/LAYER/TABLE; one that was killed at its birth has data but no log.
    for table in sorted(home.glob("*/*/*")):
        data = table.is_dir() and any(table.glob("**/*.parquet"))
        if data and table.name in _tables() and not any(table.glob("_delta_log/*.json")):
            fix = "restore the folder from a copy, or remove it and run again from landing"
            return Check("Lake", False, f"{table} has data files without a Delta log", fix)
    state = "writable" if home.is_dir() else "not there yet, will be made"
    return Check("Lake", True, f"{home.absolute()}: {state}")


def tables() -> Check:
    """Look whether tables in S3, where the settings have them there, can be reached and read."""
    from recsys_batch.errors import LakeError
    from recsys_batch.lake import s3

    address = _settings()[2].tables
    place = s3.s3_place(address) if address else None
    if place is None:
        return Check("Tables", True, "in the lake's folder")
    jars.require_s3_jars()
    with s3.told(place, LakeError):
        s3.keys_below(place, most=1)
    return Check("Tables", True, f"{place} answers")


def _tables() -> set[str]:
    from recsys_batch.lake.tables import TABLES

    return set(TABLES)


def key() -> Check:
    """Look for the pseudonym key; never print it."""
    from recsys_batch.ingest import pseudonyms

    named = os.environ.get(pseudonyms.KEY_VARIABLE) or os.environ.get(pseudonyms.FILE_VARIABLE)
    default = pseudonyms.default_key_file()
    if not named and not default.exists():
        if machine.is_writable(default.parent):
            return Check("Pseudonym key", True, f"none yet: the first run makes {default}")
        fix = f"set ${pseudonyms.FILE_VARIABLE} to a file that you may read, with mode 600"
        return Check("Pseudonym key", False, f"none, and {default.parent} cannot be written", fix)
    key, _ = pseudonyms.load_key(create=False)
    return Check("Pseudonym key", True, f"{key.key_id}, from {key.origin}")


def port() -> Check:
    """Look whether the edge service could listen."""
    edge = _settings()[1]
    if machine.port_is_free(edge.host, edge.port):
        found = f"{edge.host}:{edge.port} is free" if edge.port else f"{edge.host}: any free one"
        return Check("Port", True, found)
    found = f"{edge.host}:{edge.port} is taken or not this machine's"
    return Check("Port", False, found, "set edge.port to 0, which picks a free one")


def clock() -> Check:
    """Look at the clock and the time zone database."""
    if not machine.clock_is_sane(Path(__file__)):
        found = "the clock is behind this program's own files"
        return Check("Clock", False, found, "set the clock, or start the time service")
    if not machine.has_time_zones():
        found = "there is no time zone database"
        return Check("Clock", False, found, system.install_hint("tzdata", other="install tzdata"))
    return Check("Clock", True, f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC")

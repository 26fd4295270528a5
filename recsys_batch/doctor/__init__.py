"""``recsys-batch doctor``: what this machine lacks, and the fix for each.

It starts no Spark and changes nothing, and runs where packages are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from recsys_batch.doctor import probes
from recsys_batch.doctor.probes import Check
from recsys_batch.errors import RecsysError

__all__ = ["Check", "checks", "render"]


def checks(*, lake: str | Path = "lake") -> list[Check]:
    """Look at everything a run needs.

    Parameters
    ----------
    lake
        The folder that holds, or will hold, the lake.

    Returns
    -------
    list of Check
        In the order in which they are best put right.
    """
    listed: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("Python", probes.python),
        ("Packages", partial(probes.packages, probes.LOCK)),
        ("OpenMP", probes.openmp),
        ("Java", probes.java),
        ("Delta's jars", probes.delta),
        ("Memory", probes.memory),
        ("Disk", partial(probes.disk, lake)),
        ("Lake", partial(probes.lake, lake)),
        ("Tables", probes.tables),
        ("Pseudonym key", probes.key),
        ("Port", probes.port),
        ("Clock", probes.clock),
    )
    return [_guarded(name, probe) for name, probe in listed]


def render(found: list[Check]) -> str:
    """Return the checks as a table, the fix under each that failed, and a closing line."""
    width = max(len(check.name) for check in found)
    lines = []
    for check in found:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{width}}  {check.found}")
        if not check.ok:
            lines.append(f"{'':<{6 + width}}  fix: {check.fix}")
    failed = sum(not check.ok for check in found)
    lines.append("")
    lines.append(
        "Nothing is missing."
        if not failed
        else f"{failed} of {len(found)} checks failed; put them right from the top down."
    )
    return "\n".join(lines)


def _guarded(name: str, probe: Callable[[], Check]) -> Check:
    """Turn an error of ours, or a missing package, into a failed check."""
    try:
        return probe()
    except RecsysError as error:
        return Check(name, False, f"{error.where}: {error.what}", error.fix)
    except ImportError as error:
        return Check(name, False, f"could not look: {error}", "put the packages right, as above")

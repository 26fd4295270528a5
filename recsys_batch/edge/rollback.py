"""Going live and going back: verify the store, write the audit line, move the pointer.

The line is written before the pointer moves, so the pointer never moves unaudited; a repetition
after a kill between the two finds its own line and adds no second one. No Spark, no rewriting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from recsys_batch.edge.manifest import verify_store
from recsys_batch.edge.retention import kept_publications
from recsys_batch.edge.store import store_folder
from recsys_batch.errors import EdgeError, PublicationError
from recsys_batch.publish import audit
from recsys_batch.publish.pointer import Pointer, locked, read_current, read_pointer

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Move:
    """What a promotion or rollback did.

    Attributes
    ----------
    current
        The live publication now.
    before
        The live publication when the command began, None if nothing was live.
    """

    current: str
    before: str | None

    @property
    def changed(self) -> bool:
        """Whether the pointer moved."""
        return self.current != self.before


def promote(home: Path, publication_id: str, *, actor: str, at: datetime) -> Move:
    """Make a publication live after verifying its store; again is a no-op without an audit line.

    Parameters
    ----------
    home
        The dataset's folder.
    publication_id
        A publication whose edge store was built.
    actor, at
        Who and when, for the audit log; `at` must carry a time zone.

    Raises
    ------
    PublicationError
        The store is missing or damaged, or the disk is full; the pointer stays.
    """
    return _go_live(home, "promote", publication_id, actor=actor, at=at)


def rollback(home: Path, *, to: str | None, actor: str, at: datetime) -> Move:
    """Make a kept publication live again, by default the one live before this one.

    Parameters
    ----------
    home
        The dataset's folder.
    to
        A kept publication, or None for the previous live one.
    actor, at
        Who and when, for the audit log; `at` must carry a time zone.

    Raises
    ------
    PublicationError
        There is no such publication, its store is damaged, or the disk is full; the pointer stays.
    """
    return _go_live(home, "rollback", to, actor=actor, at=at)


def _go_live(home: Path, action: Action, to: str | None, *, actor: str, at: datetime) -> Move:
    with locked(home) as pointer:
        target = _previous(home) if to is None else to
        try:
            before = read_current(home)
        except PublicationError:  # an unreadable pointer is mended by naming a publication
            before = None
        _verify(home, target)
        if target != before:
            try:
                _audit_once(home, action, target, before, actor=actor, at=at)
                pointer.move(target)
            except OSError as error:
                raise PublicationError(
                    f"the audit log or the pointer cannot be written ({error.strerror})",
                    where=str(home),
                    fix=f"free disk space and repeat the command; live stays {before or 'nothing'}",
                ) from error
    return Move(target, before)


def _previous(home: Path) -> str:
    pointer: Pointer | None = read_pointer(home)
    if pointer is None or pointer.previous is None:
        raise PublicationError(
            "there is no earlier live publication",
            where=str(home),
            fix=f"name one with --to; kept are: {_kept(home)}",
        )
    return pointer.previous


def _verify(home: Path, target: str) -> None:
    try:
        verify_store(store_folder(home, target))
    except EdgeError as error:
        raise PublicationError(
            f"publication {target!r} cannot go live, as {error.what}",
            where=error.where,
            fix=f"export it again, or choose a kept one: {_kept(home)}",
        ) from error


def _audit_once(
    home: Path, action: Action, target: str, before: str | None, *, actor: str, at: datetime
) -> None:
    """Write the line of this move, unless it is there from an attempt that was killed."""
    moves = [each for each in audit.records(home) if each["action"] in ("promote", "rollback")]
    if moves:
        last = moves[-1]
        found = (last["action"], last["subject"], last["actor"], last["detail"])
        if found == (action, target, actor, {"from": before}):
            return
    audit.append(home, action=action, subject=target, actor=actor, at=at, detail={"from": before})


def _kept(home: Path) -> str:
    return ", ".join(kept_publications(home)) or "none"

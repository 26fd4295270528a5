"""The whole error taxonomy: each error says what was found, where, and what to do about it."""

from __future__ import annotations

TRACEBACK = "RECSYS_BATCH_TRACEBACK"  # set in the environment: commands show tracebacks, too


class RecsysError(Exception):
    """Base of every error a user can meet.

    Parameters
    ----------
    what
        What was found, as a clause without a full stop ("column 'Qty' does not exist").
    where
        File, line, column, table or setting at fault.
    fix
        What the user should do, as an imperative clause.

    Notes
    -----
    ``str(error)`` is one sentence: ``{where}: {what}; {fix}.``  `exit_code` is the status with
    which the command line ends.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(f"{where}: {what}; {fix}.")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[RecsysError], what: str, where: str, fix: str) -> RecsysError:
    return kind(what, where=where, fix=fix)


class ConfigError(RecsysError):
    """A setting is unknown, missing or out of range."""

    exit_code = 2


class SetupError(RecsysError):
    """The machine lacks something: a JDK, Delta's jars, memory, a free port."""

    exit_code = 3


class LandingError(RecsysError):
    """A landing folder or file cannot be taken as it is."""

    exit_code = 4


class MappingError(RecsysError):
    """A dataset's column mapping does not fit its files."""

    exit_code = 4


class ContractError(RecsysError):
    """A table or file broke its contract: schema, enumeration or key."""

    exit_code = 4


class ValidationFailedError(RecsysError):
    """A critical expectation failed; the last publication stays live."""

    exit_code = 5


class GateRefusedError(RecsysError):
    """The gate kept the champion; the run's lists were not published."""

    exit_code = 6


class LakeError(RecsysError):
    """A table is missing, locked, half-written or older than asked for."""

    exit_code = 7


class InputDataError(RecsysError):
    """The events leave nothing to learn from: no users, no items, or no day."""

    exit_code = 8


class StaleSourceError(RecsysError):
    """A source is older than its data set allows; the last publication stays live."""

    exit_code = 5


class StageError(RecsysError):
    """Spark or the disk failed in a stage: no memory, no space, or a damaged file of the lake."""

    exit_code = 10


class PublicationError(RecsysError):
    """A publication is unknown, incomplete, or fails its checksums."""

    exit_code = 9


class EdgeError(RecsysError):
    """An edge file or pointer is missing or damaged, or a request cannot be served."""

    exit_code = 9

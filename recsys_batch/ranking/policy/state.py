"""What the compiled loops of a block work on: candidates, rules by user, lists, working memory."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys_batch.compilation import fixed

NO_LIKENESS, CATEGORIES, VECTORS, CALIBRATION = range(4)

Input = TypeVar("Input", bound=tuple[Any, ...])


def readonly(inputs: Input) -> Input:
    """Fix the arrays of a named tuple, and of those in it."""
    kind: Any = type(inputs)
    made: Input = kind(*(_fixed_value(value) for value in inputs))
    return made


def _fixed_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return readonly(value)
    return fixed(value) if isinstance(value, np.ndarray) else value


class Candidates(NamedTuple):
    """Users x width."""

    items: NDArray[np.int32]  # ascending rows, then -1
    utility: NDArray[np.float32]  # -inf: must not be shown
    spans: NDArray[np.float64]  # users: greatest less smallest utility
    spreads: NDArray[np.float64]  # users: standard deviation of the utilities


class Access(NamedTuple):
    """Which items may be shown besides the candidates."""

    masks: NDArray[np.bool_]  # of regions x items
    mask_rows: NDArray[np.int64]  # users: row of `masks`
    indptr: NDArray[np.int64]  # users x items CSR of those kept out
    indices: NDArray[np.int32]


class Pins(NamedTuple):
    """In order of precedence."""

    rows: NDArray[np.int32]
    places: NDArray[np.int64]  # from 0
    active: NDArray[np.bool_]  # users x pins


class Caps(NamedTuple):
    """At most so many of each group among the first."""

    groups: NDArray[np.int32]  # caps x items; -1: not counted
    most: NDArray[np.int32]  # users x caps
    first: NDArray[np.int64]
    width: int  # groups of a cap at most


class Floors(NamedTuple):
    """At least a share of each beginning."""

    members: NDArray[np.bool_]  # floors x items
    shares: NDArray[np.float64]  # users x floors; 0: not for the user
    first: NDArray[np.int64]


class Fill(NamedTuple):
    """Fall-back orders: the whole, then the members of each floor, end to end."""

    rows: NDArray[np.int32]
    starts: NDArray[np.int64]  # of each order, and the end


class Likeness(NamedTuple):
    """How items like those above give way."""

    method: int
    factor: float  # weight of diversity in units of that of relevance
    first: int
    codes: NDArray[np.int32]  # items: category
    vectors: NDArray[np.float32]  # items x dimensions, of length one or zero
    tastes: NDArray[np.float64]  # users x categories, each row's sum 1 or 0
    smoothing: float


class Chance(NamedTuple):
    """Places that are drawn for."""

    places: NDArray[np.int64]  # ascending, from 0
    pool: int
    members: NDArray[np.bool_]  # items
    temperature: float  # 0: all alike
    uniform_share: float
    draws: NDArray[np.float64]  # users x places, in [0, 1)


class Lists(NamedTuple):
    """Users x n, what `recsys_batch.ranking.policy.facts.Arranged` holds."""

    rows: NDArray[np.int32]
    places: NDArray[np.int32]
    values: NDArray[np.float32]  # utility less what diversity took off; -inf: none
    why: NDArray[np.int8]
    propensity: NDArray[np.float32]


class Rules(NamedTuple):
    """All that arranges a block."""

    candidates: Candidates
    access: Access
    pins: Pins
    caps: Caps
    floors: Floors
    fill: Fill
    likeness: Likeness
    chance: Chance


class Memory(NamedTuple):
    """One user's working memory, used again for the next."""

    marks: NDArray[np.int32]  # items: the last user who must not get it any more
    free: NDArray[np.bool_]  # candidates that may still be taken
    penalty: NDArray[np.float64]  # candidates: what diversity takes off
    nearest: NDArray[np.float32]  # candidates: likeness to the nearest item above
    local: NDArray[np.float32]  # dimensions x candidates: their vectors
    counts: NDArray[np.int32]  # caps x groups
    shown: NDArray[np.int64]  # floors: members so far
    wanting: NDArray[np.bool_]  # floors that are not met
    spread: NDArray[np.int64]  # categories: items so far, and at the end all items
    cursors: NDArray[np.int64]  # orders x 2: before the first all are taken, or taken or capped
    pools: NDArray[np.int32]  # candidates: the place in `Chance.places` for which it may be drawn

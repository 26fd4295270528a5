"""Compilation of this room's loops, cached below a digest of its own sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recsys_batch.topn.jit import compiler

F = TypeVar("F", bound=Callable[..., object])

_compile = compiler(Path(__file__).parent, "policy")


def compiled(function: F) -> F:
    """Compile `function` on its first call; it runs without the interpreter lock."""
    result: F = _compile(function)
    return result

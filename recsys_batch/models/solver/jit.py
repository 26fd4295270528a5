"""Compilation of this room's loops, cached below a digest of its own sources."""

from __future__ import annotations

from pathlib import Path

from recsys_batch.compilation import ANY_ORDER, compiler

compiled = compiler(Path(__file__).parent, "solver", fastmath=ANY_ORDER, allocates=False)

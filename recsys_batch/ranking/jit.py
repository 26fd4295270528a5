"""Compilation of this room's exact loops, cached below a digest of its own sources."""

from __future__ import annotations

from pathlib import Path

from recsys_batch.compilation import compiler

compiled = compiler(Path(__file__).parent, "ranking")

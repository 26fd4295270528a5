"""How the kernel is compiled: its tiles' sizes on this processor, and its machine-code cache."""

from __future__ import annotations

from pathlib import Path

from recsys_batch.compilation import FEATURES, F, cache_folder, compile_into

HAS_INT8 = {"avx512f", "avx512vnni"} <= FEATURES
if "avx512f" in FEATURES:
    LANES, VECTORS = 16, 4  # floats a register, registers across a tile
elif "avx2" in FEATURES:
    LANES, VECTORS = 8, 2
else:
    LANES, VECTORS = 4, 4
WIDTH = LANES * VECTORS  # items a tile
GROUP = 6  # users whose products with a tile are held in registers at once

_CACHE_FOLDER = cache_folder(Path(__file__).parent, "topn")


def compiled(function: F) -> F:
    """Compile a function of the top-N kernel, which works in memory that it is given."""
    return compile_into(function, _CACHE_FOLDER, allocates=False)

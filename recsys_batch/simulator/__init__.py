"""A shop with known tastes: landing files for samples and tests, and the truth behind them.

Nothing here is part of a run; the pipeline sees the files only, tests see both.
"""

from recsys_batch.simulator.settings import PRESETS, ShopSettings, shop_settings
from recsys_batch.simulator.shop import Simulation, simulate
from recsys_batch.simulator.taste import expected_affinity, slot_propensities
from recsys_batch.simulator.truth import read_world
from recsys_batch.simulator.world import World, build_world

__all__ = [
    "PRESETS",
    "ShopSettings",
    "Simulation",
    "World",
    "build_world",
    "expected_affinity",
    "read_world",
    "shop_settings",
    "simulate",
    "slot_propensities",
]

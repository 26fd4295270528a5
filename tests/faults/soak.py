"""How often the tests of faults repeat themselves: once, or ten times in ``make soak``."""

import os

TIMES = int(os.environ.get("RECSYS_BATCH_SOAK", "1"))

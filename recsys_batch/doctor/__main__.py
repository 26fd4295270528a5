"""``python -m recsys_batch.doctor``: say what this machine lacks, and the fix for each."""

from __future__ import annotations

import os
import sys

from recsys_batch.doctor import checks, render
from recsys_batch.errors import SetupError


def main() -> int:
    """Print the table; return the exit status."""
    found = checks(lake=os.environ.get("RECSYS_BATCH_LAKE", "lake"))
    sys.stdout.write(render(found) + "\n")
    return 0 if all(check.ok for check in found) else SetupError.exit_code


if __name__ == "__main__":
    sys.exit(main())

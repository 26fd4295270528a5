"""What fails below a stage comes to one sentence; what is a mistake of ours keeps its traceback."""

from __future__ import annotations

import errno

import pytest
from py4j.protocol import Py4JNetworkError

from recsys_batch.lake.failures import stage_failure


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/lake/x"),
            "a file cannot be read or written ([Errno 28] No space left on device: '/lake/x')",
        ),
        (OSError("12 requested and 3 written"), "a file cannot be read or written (12 requested"),
        (ConnectionResetError(104, "Connection reset"), "Spark failed ([Errno 104] Connection"),
        (
            Py4JNetworkError(
                "An error\nCaused by: java.io.IOException: a\nCaused by: b: c\n\tat d"
            ),
            "Spark failed (b: c); free memory and disk",
        ),
    ],
)
def test_a_failure_of_spark_or_of_a_disk_is_one_sentence(error: Exception, told: str) -> None:
    found = stage_failure(error, where="stage train of 2026-01-12, /lake")
    assert found is not None
    assert str(found).startswith(f"stage train of 2026-01-12, /lake: {told}")
    assert "RECSYS_BATCH_TRACEBACK=1" in str(found)


def test_another_error_is_none() -> None:
    assert stage_failure(ValueError("no"), where="here") is None

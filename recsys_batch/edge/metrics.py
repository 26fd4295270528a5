"""Counters of the edge service in Prometheus' text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """What one service process counted since it started; used from one thread."""

    def __init__(self) -> None:
        self.reloads = 0
        self.reload_failures = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def observe(self, level: str, status: int, seconds: float) -> None:
        """Count one recommendation request, its ladder level ("none" if refused) and its time."""
        self._requests[level, status] += 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def render(self, publication: str | None) -> bytes:
        """Return all metrics as text; `publication` is the one being served."""
        lines = _head("recsys_edge_requests_total", "counter", "Requests by level and status.")
        for (level, status), count in sorted(self._requests.items()):
            lines.append(f'recsys_edge_requests_total{{level="{level}",status="{status}"}} {count}')
        lines += _head("recsys_edge_request_seconds", "histogram", "Time to make an answer.")
        totals = list(accumulate(self._buckets))
        for bound, total in zip((*map(repr, BUCKETS), "+Inf"), totals, strict=True):
            lines.append(f'recsys_edge_request_seconds_bucket{{le="{bound}"}} {total}')
        lines.append(f"recsys_edge_request_seconds_sum {self._seconds:.9f}")
        lines.append(f"recsys_edge_request_seconds_count {totals[-1]}")
        lines += _head("recsys_edge_publication_info", "gauge", "The publication being served.")
        if publication is not None:
            lines.append(f'recsys_edge_publication_info{{publication="{publication}"}} 1')
        lines += _head("recsys_edge_reloads_total", "counter", "Publications taken into service.")
        lines.append(f"recsys_edge_reloads_total {self.reloads}")
        lines += _head("recsys_edge_reload_failures_total", "counter", "Publications refused.")
        lines.append(f"recsys_edge_reload_failures_total {self.reload_failures}")
        return ("\n".join(lines) + "\n").encode()


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]

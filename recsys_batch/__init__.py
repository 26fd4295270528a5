"""Batch-first offline recommendations on Spark: from event logs to versioned top-N lists."""

__version__ = "0.1.0"

"""One thin entry a stage: read, call, write. Each also runs by itself under spark-submit."""

"""Looking at a file: how it is written, which column is what, and what its records are.

Plain Python over the first records; `recsys_batch.ingest.propose` makes a data set's YAML of it.
"""

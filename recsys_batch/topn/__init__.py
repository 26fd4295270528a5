"""The exact top-N kernel: user and item factors in, ranked item rows and scores out."""

from recsys_batch.topn.batches import list_batches
from recsys_batch.topn.kernel import top_n
from recsys_batch.topn.prepared import PreparedItems

__all__ = ["PreparedItems", "list_batches", "top_n"]

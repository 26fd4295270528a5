"""Factors of rows, given those of columns, by conjugate gradients in compiled loops.

`recsys_batch.models.als` alternates between the two sides of a matrix.
"""

from recsys_batch.models.solver.sides import Rows, row_products, solver_memory

__all__ = ["Rows", "row_products", "solver_memory"]

"""Lists and a hold-out in; metrics with intervals, a quality table and the gate's verdict out.

Everything here is NumPy, SciPy and Arrow: no Spark, no clock, no reading and no writing.
"""

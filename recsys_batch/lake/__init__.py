"""The lake: the one Spark session, the registry of tables, and the only code that stores them.

Stages read and write through `Lake`; every write replaces exactly what its run or batch owns, so
that repeating a stage changes nothing.
"""

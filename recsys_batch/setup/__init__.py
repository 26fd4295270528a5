"""What the machine must have before anything runs: a JDK, Delta's jars, the environment.

``python -m recsys_batch.setup`` gets what can be got; `doctor` says what is missing and its fix.
Nothing here needs more than the standard library, so that it works where packages are missing.
"""

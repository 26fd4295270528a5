"""Fits the recipe of a data set to its own log.

Half-lives, sources, their settings and weights are chosen by temporal validation.
"""

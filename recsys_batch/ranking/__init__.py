"""Factors and popularity to finished lists: exact order, nothing seen or blocked, with reasons.

A list is personal as far as the model knows the user and the items, then popular.
"""

"""Events to features as of a day: interactions, users, items, popularity and the hold-out.

Every function takes the instant it looks back from, reads no clock, and gives the same rows
whatever lies after that instant.
"""

"""What a valid row is: the rules that send a line to quarantine, and the expectation suites.

One Spark predicate splits good rows from bad; Great Expectations gives the verdict and evidence.
"""

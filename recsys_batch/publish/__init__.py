"""Lists become publications: immutable versions, one live pointer and an audit log.

What is live is one small file; going live and rolling back move it and never rewrite lists.
"""

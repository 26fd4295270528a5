"""Publications become answers: immutable key-value stores and the HTTP service over them.

Bodies are serialised when a store is built, so an answer is a look-up and a slice.
"""

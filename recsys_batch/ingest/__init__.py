"""Landing files to events: parse, pseudonymise, deduplicate, quarantine; nothing is lost.

For every file, landed = accepted + quarantined + duplicate, and the same file again adds nothing.
"""

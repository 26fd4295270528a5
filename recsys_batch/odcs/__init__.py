"""The data contracts: Open Data Contract Standard 3.1 documents, and how they are read.

Schemas, quarantine rules, expectations, mappable fields and the data dictionary are made from them.
"""

"""Interactions to models: factors, popularity, and the registry that names their versions.

Engines take matrices and return matrices; the registry is the only part that knows MLflow.
"""

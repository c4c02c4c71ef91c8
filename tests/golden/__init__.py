"""Outputs that must not drift unseen (README.md)."""

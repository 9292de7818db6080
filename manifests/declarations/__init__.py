"""Typed documents by address, and what versions inherit from their definition."""

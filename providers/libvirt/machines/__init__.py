"""Machines created from published images, to try them."""

"""Machines made from published images, to try them."""

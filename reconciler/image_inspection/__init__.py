"""Looks at an image file that the command line names: what it is, what is on its disk, and what backends make of it."""

"""Directories: where the regions are, what files are called there, and the changes to both."""

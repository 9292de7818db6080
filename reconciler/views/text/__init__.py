"""The `text` format: one file for each kind of result."""

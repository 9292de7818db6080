"""The commands: one file each, with `register(app)` and ORDER, its place in `--help`. Files are found, not listed."""

"""Output formats: one file each, named as --format calls it, with a `FORMAT`. See `output_format`."""

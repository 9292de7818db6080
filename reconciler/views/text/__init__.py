"""Results in words: one file for each kind of result."""

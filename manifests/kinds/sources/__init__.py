"""What a `source` may be: its models, and the addresses it may name."""

"""What the pools hold, compared with what is recorded."""

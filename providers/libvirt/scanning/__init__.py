"""What the pools contain, compared with what is recorded."""

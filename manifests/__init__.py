"""The desired world, and the vocabulary that all rooms share."""

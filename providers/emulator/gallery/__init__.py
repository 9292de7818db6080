"""Emulated galleries, image definitions, image versions, sharing and soft delete, each in a file of its own."""

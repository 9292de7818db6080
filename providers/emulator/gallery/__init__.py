"""Emulated galleries, image definitions, image versions, sharing and soft delete: one file a subject."""

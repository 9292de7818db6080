"""Writes objects: galleries, definitions, versions and their target regions."""

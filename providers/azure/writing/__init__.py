"""What operations change: galleries, definitions, versions and their target regions."""

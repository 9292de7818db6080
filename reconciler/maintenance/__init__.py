"""What keeps a state usable: records made again from the objects, backups, undoing an edit, moving to another store."""

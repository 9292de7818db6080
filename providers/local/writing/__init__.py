"""Creating, changing and deleting objects in the directories."""

"""Looking at the directories."""

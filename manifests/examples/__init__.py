"""Projects to copy; each is loaded, planned and played by tests."""

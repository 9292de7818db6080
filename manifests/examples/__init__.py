"""Projects to copy, and the disk image they use."""

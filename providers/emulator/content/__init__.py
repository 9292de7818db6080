"""The content of emulated disks, and who still uses it."""

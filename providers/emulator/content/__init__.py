"""The content of emulated disks, and which resources use it."""

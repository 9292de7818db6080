"""Machines as sources: their disks copied as of one moment, running or off."""

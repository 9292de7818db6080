"""Machines as sources: their disks copied at one moment, running or off."""

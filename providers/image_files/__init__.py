"""Disk image files: their formats, what is in archives, copying with holes kept, and qemu-img."""

"""Disk image files: their formats, archives of them, copying with holes kept, and qemu-img."""

"""Emulated disks, snapshots, managed images and virtual machines: the sources of images."""

"""Emulated disks, snapshots, managed images and virtual machines, which images are made from."""

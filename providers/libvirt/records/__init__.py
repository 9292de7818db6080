"""What is kept beside the volumes, since libvirt has no tags: descriptions, owner marks, names, users."""

"""What is kept beside the volumes, because libvirt has no tags for them: descriptions, owner marks, names, users."""

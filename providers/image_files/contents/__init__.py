"""What is on the disk in an image: partition tables, boot loaders, signatures of file systems."""

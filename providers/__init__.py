"""What is there: one file or folder for each backend."""

"""The `local` backend: directories are regions."""

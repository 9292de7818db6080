"""The content of volumes: read in place, converted, and streamed from host to host."""

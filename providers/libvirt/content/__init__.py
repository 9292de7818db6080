"""The bytes of volumes: read in place, converted, and moved from host to host."""

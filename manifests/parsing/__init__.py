"""YAML text to documents, and the places in them. The only room that knows the YAML library."""

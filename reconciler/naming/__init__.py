"""What objects are called: their addresses here, and their names at the provider."""

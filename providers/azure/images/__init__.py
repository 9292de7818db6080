"""Image content on its way to the service: sources, conversion, uploads to blob storage."""

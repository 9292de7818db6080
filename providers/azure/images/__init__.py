"""Image content on its way into the service: sources, conversion, uploads to blob storage."""

"""What is there: listings of the service as observed objects."""

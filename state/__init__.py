"""What was done: records, journal, runs and leases."""

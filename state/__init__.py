"""What was done: records, journal, runs and leases, in SQLite or PostgreSQL."""

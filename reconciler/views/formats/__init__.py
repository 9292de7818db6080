"""Results for programs: one file a format."""

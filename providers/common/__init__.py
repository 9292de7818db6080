"""What several backends do alike: the order of steps, operations as JSON, owner marks."""

"""What several backends do alike: descriptions, fingerprints, scans, containers, the order of steps, owner marks."""

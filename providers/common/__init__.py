"""What several backends do alike: descriptions, fingerprints, scans, documents, the order of steps, owner marks."""

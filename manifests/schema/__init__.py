"""What is generated from the models: JSON Schema for editors, and docs/manifest.md."""

"""What is wanted: the vocabulary every package shares, and the manifests people write."""

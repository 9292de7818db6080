"""Identifiers of resources outside of these manifests."""

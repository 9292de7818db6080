"""Calls to the service: credentials, requests and failures, canonical values, and the metadata kept in tags."""

"""Reads the service: its listings and answers as observed objects."""

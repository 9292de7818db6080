"""Drift: recorded against observed. Reports what changed outside of this program, and proposes nothing."""

"""Saved plans: their files, what they are bound to, who approved them, and whether they still fit."""

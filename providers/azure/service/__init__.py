"""Calls to the service: who we are, what a call comes to, how the service spells words and what it keeps for us."""

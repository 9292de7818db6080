"""The contract of providers as pytest classes; see reconciler/providers/protocol.py."""

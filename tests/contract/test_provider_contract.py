"""Our own backends keep the contract of providers; conftest.py has their worlds."""

from __future__ import annotations

from reconciler.testing import ProviderContract


class TestProviders(ProviderContract):
    """Every case on every backend."""

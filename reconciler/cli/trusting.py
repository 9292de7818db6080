"""What whoever runs a command trusts: from the settings file and the environment, never from the project."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reconciler.manifests.trust import Trust

STATE = "RECONCILER_STATE"
SETTINGS = "RECONCILER_SETTINGS"


def trust_of_runner(settings: str, *, untrusted: bool = False) -> Trust:
    """The trust that a settings file describes, with the state that RECONCILER_STATE names.

    `settings` is the path that the command line or RECONCILER_SETTINGS gives; without one, the file in the user's
    configuration folder counts if it exists. An `untrusted` project gets none of it.
    Raises: ManifestError when the file is invalid.
    """
    if untrusted:
        return Trust(untrusted=True)
    file = Path(settings) if settings else usual_settings()
    trust = Trust()
    if settings or os.path.lexists(file):
        from reconciler.manifests.loading.trusted_settings import read_trust  # 0.1 s that others need not wait for

        trust = read_trust(file)
    state = os.environ.get(STATE, "")
    return replace(trust, state=state) if state else trust


def usual_settings() -> Path:
    """Where settings are when nobody names a file. Source: XDG Base Directory Specification, which ignores relative
    paths."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if os.path.isabs(configured) else Path(os.path.expanduser("~/.config"))
    return base / "reconciler" / "settings.yaml"

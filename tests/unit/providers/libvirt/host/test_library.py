"""libvirt's bindings: not loaded unless they are used, and reported in one clear sentence if missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.host.library import require_library


def test_missing_bindings_are_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_library("main")
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(ProviderError, match=r"provider 'main'.*Python bindings, which are not installed") as caught:
        require_library("main")
    for word in ("pip install '.[libvirt]'", "gcc", "libvirt-dev", "pkg-config", "python3-dev"):
        assert word in caught.value.remedy


def test_settings_and_missing_bindings_are_checked_without_loading_them() -> None:
    program = (
        "import sys\n"
        "import reconciler.providers.libvirt.host.library\n"
        "import reconciler.providers.libvirt.records.volume_names\n"
        "import reconciler.providers.libvirt.settings\n"
        "assert 'libvirt' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

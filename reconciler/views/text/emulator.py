"""What an emulator prints once it is running: its address, and the connection settings of its clients."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.views.terminal.lines import BLANK, Line, Span, line

if TYPE_CHECKING:
    from reconciler.providers.emulator.server import RunningEmulator


def emulator_lines(running: RunningEmulator, host: str) -> Iterator[Line]:
    """Address, and lines to paste for the Python SDK and for az; secrets only by the names of their files."""
    yield line("The emulator is running at ", Span(running.endpoint, "subject"), "; stop it with Ctrl+C.")
    yield line(f"Its data is in {running.data}, with its secrets: anyone who can read that folder has full access.")
    if not is_loopback(host):
        yield line(
            Span(f"It listens on {host}, beyond this machine: ", "danger"),
            "anyone who can reach that address and has its client secret, or a token, can use it.",
        )
    for heading, lines in (("Python", _python(running)), ("az", _az(running))):
        yield BLANK
        yield line(f"{heading}:")
        yield from (line(f"    {text}" if text else "") for text in lines)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _python(running: RunningEmulator) -> Iterator[str]:
    yield "from pathlib import Path"
    yield "from azure.identity import ClientSecretCredential"
    yield "from azure.mgmt.compute import ComputeManagementClient"
    yield ""
    yield f"endpoint, ca = {running.endpoint!r}, {str(running.ca)!r}"
    yield f"secret = Path({str(running.credentials.client_secret_file)!r}).read_text()"
    yield "credential = ClientSecretCredential("
    yield f"    {running.tenant!r}, {running.client_id!r}, secret,"
    yield "    authority=endpoint, disable_instance_discovery=True, connection_verify=ca,"
    yield ")"
    yield "client = ComputeManagementClient("
    yield f"    credential, {running.subscription!r},"
    yield '    base_url=endpoint, credential_scopes=[f"{endpoint}/.default"], connection_verify=ca,'
    yield ")"


def _az(running: RunningEmulator) -> Iterator[str]:
    secret = shlex.quote(str(running.credentials.client_secret_file))
    yield f"export AZURE_CONFIG_DIR={shlex.quote(str(running.data / 'az'))} AZURE_CORE_INSTANCE_DISCOVERY=false"
    yield f"export REQUESTS_CA_BUNDLE={shlex.quote(str(running.ca))}"
    cloud = f"emulator-{running.endpoint.rpartition(':')[2]}"
    yield f"az cloud register -n {cloud} --endpoint-resource-manager {running.endpoint}"
    yield f"az cloud set -n {cloud}"
    yield f'az login --service-principal -u {running.client_id} -p "$(cat {secret})" --tenant {running.tenant}'

"""`reconciler vm`: virtual machines to try images on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="The machine.")]
Region = Annotated[str, typer.Option("--region", metavar="REGION", help="The region it runs in.")]


ORDER = 130
_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-?]*+[ -/]*+[@-~]")
"""A control sequence of ECMA-48: colours, movements of the cursor."""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Try images: run virtual machines from a version.", no_args_is_help=True)
    group.command("create")(create)
    group.command("delete")(delete)
    group.command("list")(list_machines)
    group.command("log")(log)
    app.add_typer(group, name="vm", rich_help_panel=None)


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, and its host name by default.")],
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="GALLERY/DEFINITION/VERSION; VERSION may be 'latest'.")
    ],
    region: Annotated[
        str, typer.Option("--region", metavar="REGION", help="The region to run it in, from its copy there.")
    ],
    cpus: Annotated[
        int | None, typer.Option("--cpus", metavar="N", help="vCPUs.", show_default="recommended by the image", min=1)
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option("--memory", metavar="GIB", help="Memory.", show_default="recommended by the image", min=0.0625),
    ] = None,
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Sudo user with SSH-key login.")] = "",
    ssh_key: Annotated[
        list[Path] | None, typer.Option("--ssh-key", metavar="FILE", help="SSH public key to authorize. Repeatable.")
    ] = None,
    hostname: Annotated[str, typer.Option("--hostname", metavar="NAME", help="A host name other than NAME.")] = "",
    network: Annotated[
        str,
        typer.Option("--network", metavar="NAME", help="Network of the host to connect it to.", show_default="none"),
    ] = "",
) -> int:
    """Create a machine from a version and start it.

    The version must be ready in the region. The disks of the machine are overlays: they leave the version unchanged,
    and it cannot be deleted while the machine exists.

    Exit codes: 0 started, 1 error, 3 host unreachable.
    """
    from reconciler import machines
    from reconciler.views.text.machines import created_lines

    session = session_of(context)
    address = options.parsed_address(image)
    if not address.version or address.region:
        raise typer.BadParameter(
            f"--image takes GALLERY/DEFINITION/VERSION or GALLERY/DEFINITION/latest, not '{image}'"
        )
    keys = tuple(key for path in ssh_key or () for key in _keys_in(path))
    request = machines.MachineRequest(
        name, address, options.parsed_region(region), cpus, memory, user, keys, hostname, network
    )
    with session.engine() as engine:
        machine = machines.create(engine, request)
    session.output.lines(created_lines(machine))
    return Exit.DONE


def _keys_in(path: Path) -> list[str]:
    """The lines of a file of public keys. Raises: typer.BadParameter if it is not plain text; OSError."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"--ssh-key takes a public key such as ~/.ssh/id_ed25519.pub, and {path} is not plain text"
        ) from error
    return [line for line in text.splitlines() if line.strip()]


def delete(context: typer.Context, name: Name, region: Region) -> int:
    """Delete a machine, running or not, with everything it wrote."""
    from reconciler import machines
    from reconciler.views.terminal.lines import line

    session = session_of(context)
    with session.engine() as engine:
        machines.delete(engine, name, options.parsed_region(region))
    session.output.lines([line(f"deleted {name}")])
    return Exit.DONE


def list_machines(context: typer.Context) -> int:
    """List machines, one per line: name, state, image, host.

    Exit codes: 0 success, 3 region unreachable.
    """
    from reconciler import machines
    from reconciler.views.text.machines import machine_lines, unreachable_lines

    session = session_of(context)
    with session.engine() as engine:
        listing = machines.find(engine)
    session.output.lines(machine_lines(listing.machines))
    session.errors.lines(unreachable_lines(listing.unreachable))
    return Exit.UNREACHABLE if listing.unreachable else Exit.DONE


def _lines(output: bytes) -> list[str]:
    """What a console printed, by line, without colours and movements of the cursor."""
    text = _TERMINAL_SEQUENCE.sub("", output.decode("utf-8", "replace")).rstrip("\r\n")
    return [line.rstrip("\r").expandtabs() for line in text.split("\n")] if text else []


def log(context: typer.Context, name: Name, region: Region) -> int:
    """Print the serial console output of a machine."""
    from reconciler import machines
    from reconciler.views.terminal.lines import line

    session = session_of(context)
    with session.engine() as engine:
        output = machines.output(engine, name, options.parsed_region(region))
    session.output.lines(line(text) for text in _lines(output))
    return Exit.DONE

"""`reconciler vm`: machines to try images on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="The machine.")]
Region = Annotated[str, typer.Option("--region", metavar="REGION", help="Where it is.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Try images: machines on copies of a version.", no_args_is_help=True)
    group.command("create")(create)
    group.command("delete")(delete)
    group.command("list")(list_machines)
    group.command("log")(log)
    app.add_typer(group, name="vm", rich_help_panel=None)


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The machine's name; also its host name.")],
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="GALLERY/DEFINITION/VERSION; `latest` is a version, too.")
    ],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="The region whose copy it starts from.")],
    cpus: Annotated[
        int | None, typer.Option("--cpus", metavar="N", help="Processors; what the image recommends.", min=1)
    ] = None,
    memory: Annotated[
        float | None, typer.Option("--memory", metavar="GIB", help="Memory; what the image recommends.", min=0.0625)
    ] = None,
    user: Annotated[
        str, typer.Option("--user", metavar="USER", help="A user with all rights, who logs in by key.")
    ] = "",
    ssh_key: Annotated[
        list[Path] | None, typer.Option("--ssh-key", metavar="FILE", help="A public key that lets in. Repeatable.")
    ] = None,
    hostname: Annotated[str, typer.Option("--hostname", metavar="NAME", help="Another host name.")] = "",
    network: Annotated[
        str, typer.Option("--network", metavar="NAME", help="A network of the host; none without this.")
    ] = "",
) -> int:
    """Make a machine from a version, and start it.

    The version has to be ready in the region. The machine's disks are overlays: the version stays what it is, and is
    kept from being deleted until the machine is.

    Exit codes: 0 it was started, 1 an error, 3 the host did not answer.
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
    """The lines of a file of public keys. Raises: typer.BadParameter when it is no text; OSError."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"--ssh-key takes a public key such as ~/.ssh/id_ed25519.pub, and {path} is no text"
        ) from error
    return [line for line in text.splitlines() if line.strip()]


def delete(context: typer.Context, name: Name, region: Region) -> int:
    """End a machine and remove it, with all that it wrote."""
    from reconciler import machines
    from reconciler.views.terminal.lines import line

    session = session_of(context)
    with session.engine() as engine:
        machines.delete(engine, name, options.parsed_region(region))
    session.output.lines([line(f"deleted {name}")])
    return Exit.DONE


def list_machines(context: typer.Context) -> int:
    """List machines, one a line: name, state, image, host.

    Exit codes: 0 all regions answered, 3 one did not.
    """
    from reconciler import machines
    from reconciler.views.text.machines import machine_lines, unreachable_lines

    session = session_of(context)
    with session.engine() as engine:
        found = machines.find(engine)
    session.output.lines(machine_lines(found.machines))
    session.errors.lines(unreachable_lines(found.unreachable))
    return Exit.UNREACHABLE if found.unreachable else Exit.DONE


def log(context: typer.Context, name: Name, region: Region) -> int:
    """Print what a machine has said on its serial console."""
    from reconciler import machines
    from reconciler.views.terminal.lines import line

    session = session_of(context)
    with session.engine() as engine:
        said = machines.output(engine, name, options.parsed_region(region))
    session.output.lines(line(text) for text in said.decode("utf-8", "replace").splitlines())
    return Exit.DONE

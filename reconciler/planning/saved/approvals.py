"""Approvals of saved plans: SSH signatures by people, made with their own keys and checked against a list of them.

The signature that every plan file has comes from the state's key, which whoever plans can use; an approval does not. It
is made and checked by `ssh-keygen -Y`, as git does for commits: people have such keys already, in files, agents and
hardware tokens, lists of them have a documented format (ALLOWED SIGNERS in ssh-keygen(1)), and no cryptographic library
has to be installed for it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import NotApproved
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.saved.plan_file import SavedPlan

NAMESPACE = "reconciler-plan"
_DEFAULT_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_rsa")


def approve(saved: SavedPlan, key: Path) -> str:
    """A signature of the plan with a private key, or with the one in the agent that belongs to a public key.

    Raises: ReconcilerError when it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
        message = Path(folder, "plan")
        message.write_text(_message(saved))
        signing = [_ssh_keygen(), "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, str(message)]
        if subprocess.run(signing, check=False).returncode:  # what it asks and says is for the person at the terminal
            raise ReconcilerError(f"ssh-keygen did not sign with {key}", "name another key with --key")
        return Path(folder, "plan.sig").read_text()


def default_key(home: Path) -> Path:
    """The key that a person has in the folder where ssh keeps them. Raises: ReconcilerError when there is none."""
    for name in _DEFAULT_KEYS:
        if (path := home / ".ssh" / name).is_file():
            return path
    raise ReconcilerError(
        f"there is no SSH key in {home / '.ssh'}", "name one with --key, or create one: ssh-keygen -t ed25519"
    )


def approvers_of(saved: SavedPlan, allowed: Path) -> tuple[str, ...]:
    """Who of the people in an allowed-signers file has approved the plan, each once, in the order of the approvals.

    Raises: ReconcilerError when the file cannot be read, or ssh-keygen is missing.
    """
    if not allowed.is_file():
        raise ReconcilerError(f"{allowed}: no such file", "it lists who may approve, a line each: NAME KEYTYPE KEY")
    found = [name for approval in saved.approvals for name in _signers(saved, approval, allowed)]
    return tuple(dict.fromkeys(found))


def require_approval(saved: SavedPlan, allowed: Path) -> None:
    """Raises: NotApproved unless somebody listed in an allowed-signers file has approved the plan; ReconcilerError."""
    if not approvers_of(saved, allowed):
        why = f"none of its approvals is by a key in {allowed}" if saved.approvals else "nobody has signed it"
        raise NotApproved(
            f"the plan is not approved: {why}",
            "have it approved by someone listed there: reconciler plan approve FILE",
        )


def _signers(saved: SavedPlan, approval: str, allowed: Path) -> Iterator[str]:
    """The names in the allowed-signers file that a signature is valid for; none if it is of something else."""
    with _file(approval) as signature:
        listed = _answer(["-Y", "find-principals", "-s", signature, "-f", str(allowed)])
        for name in listed.stdout.splitlines() if not listed.returncode else ():
            options = ["-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", signature]
            if not _answer(["-Y", "verify", *options], _message(saved)).returncode:
                yield name


def _message(saved: SavedPlan) -> str:
    """What is signed: nothing but the digest of the plan file's body, which says all that the plan does."""
    return f"{saved.digest}\n"


@contextmanager
def _file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", prefix="reconciler-", suffix=".sig") as file:
        file.write(text)
        file.flush()
        yield file.name


def _answer(arguments: Sequence[str], message: str = "") -> subprocess.CompletedProcess[str]:
    """What ssh-keygen says. Raises: ReconcilerError when it is not installed."""
    return subprocess.run([_ssh_keygen(), *arguments], input=message, capture_output=True, text=True, check=False)


def _ssh_keygen() -> str:
    """The path of the program. Raises: ReconcilerError when it is not installed."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise ReconcilerError("ssh-keygen is not installed", "install OpenSSH, 8.2 or later")
    return program

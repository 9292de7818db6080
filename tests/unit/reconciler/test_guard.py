"""What a process that only reads cannot do, whoever asks for it: each attempt is made in a real process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.guard.boundary import boundary_of
from reconciler.manifests.trust import Trust

_PROCESS = """
import json, os, sys
from contextlib import suppress
from pathlib import Path
from reconciler.guard.audit import Guard, OutOfBounds
from reconciler.guard.boundary import boundary_of
from reconciler.manifests.trust import Trust

project, outside, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
guard = Guard(boundary_of(project, Trust(), os.environ, [project / "plan.json"]), lambda: ["allowed.example"])
guard.start()
try:
    exec(sys.argv[4])
    result = "done"
except OutOfBounds as error:
    result = str(error)
except OSError as error:
    result = type(error).__name__
print(json.dumps([result, len(guard.refused)]))
"""
ALLOWED = {
    "the project is read": "(project / 'manifests' / 'a.yaml').read_text()",
    "the project is listed": "os.listdir(project)",
    "a relative path": "os.chdir(project); open('manifests/a.yaml').read()",
    "another descriptor": "os.open('a.yaml', os.O_RDONLY, dir_fd=os.open(project / 'manifests', os.O_RDONLY))",
    "the cache": "(project / '.reconciler').mkdir(); (project / '.reconciler' / 'cache').write_text('x')",
    "the named file": "(project / 'plan.json').write_text('x')",
    "a file beside the named one": "new = project / '.plan.json-x1'; new.touch(); new.replace(project / 'plan.json')",
    "a link that is not followed": "with suppress(OSError): os.open(project / 'link', os.O_RDONLY | os.O_NOFOLLOW)",
    "what libraries say of this computer": "import platform; platform.platform()",
    "git": "import subprocess; subprocess.run(['git', '--version'], check=True)",
    "loopback": "import socket; socket.create_connection(('127.0.0.1', port))",
    "loopback by name": "import socket; socket.create_connection(('localhost', port))",
    "a library": "import xml.dom.minidom",
}
REFUSED = {
    "a file outside": "(outside / 'secret').read_text()",
    "a link to a file outside": "(project / 'link').read_text()",
    "a file in a linked folder": "(project / 'folder' / 'secret').read_text()",
    "a relative path that leads out": "os.chdir(project); open('../outside/secret').read()",
    "a relative link": "os.chdir(project); open('link').read()",
    "a descriptor": "os.open(outside / 'secret', os.O_RDONLY)",
    "bytes as a path": "open(os.fsencode(outside / 'secret'))",
    "what the kernel says of others": "open('/root/.bash_history')",
    "a listing": "os.listdir(outside)",
    "a scan": "list(os.scandir(outside))",
    "a walk through a link": "list(os.scandir(project / 'folder'))",
    "a change of the project": "(project / 'manifests' / 'a.yaml').write_text('x')",
    "a new file in the project": "(project / 'new').write_text('x')",
    "appending": "(project / 'manifests' / 'a.yaml').open('a')",
    "truncating": "os.truncate(project / 'manifests' / 'a.yaml', 0)",
    "removing": "(project / 'manifests' / 'a.yaml').unlink()",
    "renaming": "os.rename(project / 'manifests' / 'a.yaml', project / 'plan.json')",
    "replacing": "(project / 'plan.json').write_text(''); os.replace(project / 'plan.json', project / 'link')",
    "a link": "os.symlink(outside, project / 'link2')",
    "a hard link": "os.link(outside / 'secret', project / '.reconciler-secret')",
    "a folder": "(outside / 'new').mkdir()",
    "modes": "os.chmod(outside / 'secret', 0o777)",
    "a writing link in the cache": "(project / '.reconciler').symlink_to(outside)",
    "a database": "import sqlite3; sqlite3.connect(outside / 'x.db')",
    "a database by its URI": "import sqlite3; sqlite3.connect(f'file:{outside}/x.db?mode=ro', uri=True)",
    "a program": "import subprocess; subprocess.run(['id'])",
    "a program of the project": "import subprocess; subprocess.run([project / 'git', '--version'])",
    "a program of the project by name": "os.environ['PATH'] = str(project); import subprocess; subprocess.run(['git'])",
    "a shell": "os.system('id')",
    "another process": "os.fork()",
    "another program": "os.execv('/usr/bin/id', ['id'])",
    "a started program": "os.posix_spawn('/usr/bin/id', ['id'], {})",
    "this interpreter": "import subprocess; subprocess.run([sys.executable, '-c', 'print(1)'])",
    "an address": "import socket; socket.create_connection(('192.0.2.1', 80))",
    "a name": "import socket; socket.getaddrinfo('other.example', 80)",
    "a name of bytes": "import socket; socket.getaddrinfo(b'other.example', 80)",
    "an old way to a name": "import socket; socket.gethostbyname('other.example')",
    "a name that only looks like loopback": "import socket; socket.getaddrinfo('127.evil.example', 80)",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a relative path through a descriptor": (
        "os.open('../outside/secret', os.O_RDONLY, dir_fd=os.open(project, os.O_RDONLY))"
    ),
    "code": "import io; io.open_code(str(outside / 'secret'))",
    "a low-level file": "import io; io.FileIO(str(outside / 'secret'))",
    "a module outside": "sys.path.insert(0, str(outside)); import importlib; importlib.import_module('hostile')",
    "a child of multiprocessing": "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
    "a program of asyncio": "import asyncio; asyncio.run(asyncio.create_subprocess_exec('id'))",
    "a connection of asyncio": "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
    "a connection in a thread": (
        "from concurrent.futures import ThreadPoolExecutor as T; import socket\n"
        "with T() as t: t.submit(socket.create_connection, ('192.0.2.1', 80)).result()"
    ),
    "removing a tree": "import shutil; shutil.rmtree(project / 'manifests')",
    "moving out": "import shutil; shutil.move(project / 'manifests' / 'a.yaml', outside / 'a.yaml')",
    "a server for others": "import socket; socket.socket().bind(('0.0.0.0', 0))",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


def attempt(folder: Path, code: str) -> tuple[str, int]:
    project, outside = folder / "project", folder / "outside"
    (project / "manifests").mkdir(parents=True)
    outside.mkdir()
    (project / "manifests" / "a.yaml").write_text("kind: Gallery")
    (outside / "secret").write_text("secret")
    (project / "link").symlink_to("../outside/secret")
    (project / "folder").symlink_to("../outside")
    (project / "git").write_text("#!/bin/sh\ntouch ran\n")
    (project / "git").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", _PROCESS, str(project), str(outside), port, code]
        environment = {**os.environ, "HOME": str(folder)}
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result, refused = json.loads(done.stdout.splitlines()[-1])
    assert not list(folder.rglob("ran"))
    return result, refused


@pytest.mark.parametrize("what", ALLOWED)
def test_what_reading_takes_is_allowed(tmp_path: Path, what: str) -> None:
    assert attempt(tmp_path, ALLOWED[what]) == ("done", 0)


@pytest.mark.parametrize("what", REFUSED)
def test_everything_else_is_refused_and_noted(tmp_path: Path, what: str) -> None:
    result, refused = attempt(tmp_path, REFUSED[what])
    assert result.startswith("refused: "), result
    assert refused == 1


def test_what_was_refused_and_swallowed_still_ends_the_command(tmp_path: Path) -> None:
    code = "from contextlib import suppress\nwith suppress(OutOfBounds): os.listdir(outside)\n"
    assert attempt(tmp_path, code) == ("done", 1)


def test_a_link_in_place_of_the_cache_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".reconciler").symlink_to("../outside")
    boundary = boundary_of(tmp_path / "project", Trust(), {})
    assert not boundary.may_write(str(tmp_path / "outside" / "state.db"))
    assert boundary.may_write(str(tmp_path / "project" / ".reconciler"))  # where a folder is tried, and there is a link


def test_the_folder_of_a_named_file_is_opened_and_nothing_else_in_it(tmp_path: Path) -> None:
    boundary = boundary_of(tmp_path / "project", Trust(), {}, [tmp_path / "out" / "plan.json"])
    assert boundary.may_read(str(tmp_path / "out"))  # to make the file's place in it durable
    assert boundary.may_write(str(tmp_path / "out" / ".plan.json-x1"))
    assert not boundary.may_read(str(tmp_path / "out" / "other"))

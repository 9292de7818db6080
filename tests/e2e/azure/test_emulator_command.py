"""`reconciler emulator` as people start and stop it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

PROGRAM = [sys.executable, "-m", "reconciler", "emulator"]
GROUP = "/subscriptions/{subscription}/resourceGroups/rg?api-version=2024-11-01"
SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
EVERYWHERE = "0.0.0.0"  # noqa: S104  what is tested is that it is told of
PATIENCE_S = 20


@contextmanager
def command(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program in `folder`, stopped at the end of the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def when_ready(process: subprocess.Popen[bytes], path: Path) -> dict[str, str]:
    """The content of the ready file, when it exists."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not become ready"
        time.sleep(0.005)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def ask(ready: dict[str, str], method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    context = ssl.create_default_context(cafile=ready["ca"])
    connection = HTTPSConnection(ready["endpoint"].removeprefix("https://"), context=context, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {ready['token']}", "Content-Type": "application/json"}
    try:
        connection.request(method, path.format(**ready), None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


def ended(process: subprocess.Popen[bytes], number: int) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out.decode(), err.decode()


def test_answers_when_the_file_is_there_and_ends_cleanly(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.write_text("of an earlier one")
    for number in (signal.SIGTERM, signal.SIGINT):
        file.unlink()
        with command(
            tmp_path, "--port", "0", "--data", "data", "--time-scale", "0", "--ready-file", str(file)
        ) as process:
            ready = when_ready(process, file)
            assert file.stat().st_mode & 0o777 == 0o600
            assert set(ready) == {"endpoint", "ca", "subscription", "tenant", "token", "clientId", "clientSecret"}
            assert ask(ready, "PUT", GROUP, {"location": "eastus"})[0] in (200, 201)
            code, out, err = ended(process, number)
        assert (code, err) == (0, "")
        assert ready["endpoint"] in out
        assert ready["clientSecret"] not in out
        assert ready["token"] not in out


def test_a_stale_ready_file_goes_before_anything_else(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.write_text("{}")
    with command(tmp_path, "--port", "1", "--host", "192.0.2.1", "--expose", "--ready-file", str(file)) as process:
        assert process.wait(PATIENCE_S) == 1
    assert not file.exists()


def test_everything_is_there_again_after_it_was_killed(tmp_path: Path) -> None:
    arguments = ("--data", "data", "--time-scale", "0", "--ready-file", "ready.json")
    file = tmp_path / "ready.json"
    with command(tmp_path, *arguments) as process:
        first = when_ready(process, file)
        ask(first, "PUT", GROUP, {"location": "eastus"})
        process.kill()
        process.wait()
    file.unlink()
    with command(tmp_path, *arguments) as process:
        second = when_ready(process, file)
        same = {"ca": first["ca"], "token": first["token"], "endpoint": second["endpoint"]}
        assert ask({**second, **same}, "GET", GROUP)[0] == 200
        assert (second["clientId"], second["clientSecret"]) == (first["clientId"], first["clientSecret"])


def test_starts_in_less_than_a_second(tmp_path: Path) -> None:
    """Of computing time: other tests may be running beside it."""
    with command(tmp_path, "--data", "data", "--ready-file", "ready.json") as process:
        assert ask(when_ready(process, tmp_path / "ready.json"), "GET", SUBSCRIPTIONS)[0] == 200
        process.kill()
        _, _, used = os.wait4(process.pid, 0)
    assert used.ru_utime + used.ru_stime < 1


def test_what_it_prints_for_python_works(tmp_path: Path) -> None:
    with command(tmp_path, "--data", "da ta", "--time-scale", "0", "--ready-file", "ready.json") as process:
        ready = when_ready(process, tmp_path / "ready.json")
        ask(ready, "PUT", GROUP, {"location": "eastus"})
        script = (
            "gallery = {'location': 'eastus'}\n"
            "client.galleries.begin_create_or_update('rg', 'corp', gallery).result()\n"
            "print(*(found.name for found in client.galleries.list()))\n"
        )
        shown = said_so_far(process)
        answer = subprocess.run(
            [sys.executable, "-c", f"{below(shown, 'Python:')}\n{script}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (answer.returncode, answer.stdout) == (0, "corp\n"), answer.stderr
    assert f"\"$(cat '{tmp_path}/da ta/client-secret')\"" in below(shown, "az:")


def said_so_far(process: subprocess.Popen[bytes]) -> str:
    """The output, which is printed at once."""
    assert isinstance(process.stdout, io.BufferedReader)
    return process.stdout.read1().decode()


def below(text: str, heading: str) -> str:
    """The indented lines below a heading."""
    found = re.search(rf"^{heading}\n((?:    .*\n|\n)*)", text, re.MULTILINE)
    assert found, text
    return textwrap.dedent(found[1])


def test_a_listener_for_others_is_told_of(tmp_path: Path) -> None:
    with command(tmp_path, "--host", EVERYWHERE, "--expose", "--data", "data", "--ready-file", "ready.json") as process:
        ready = when_ready(process, tmp_path / "ready.json")
        assert ask(ready, "GET", SUBSCRIPTIONS)[0] == 200
        _, out, _ = ended(process, signal.SIGTERM)
    assert f"It listens on {EVERYWHERE}, beyond this machine" in out


def test_begins_with_the_faults_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"action": "error", "status": 503}]')
    with command(tmp_path, "--data", "data", "--faults", "faults.json", "--ready-file", "ready.json") as process:
        ready = when_ready(process, tmp_path / "ready.json")
        assert [ask(ready, "GET", SUBSCRIPTIONS)[0] for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "192.0.2.1"), "or allow it with --expose"),
        (("--host", EVERYWHERE), f"{EVERYWHERE} is not an address of this machine alone"),
        (("--host", "192.0.2.1", "--expose"), "cannot listen on 192.0.2.1"),
        (("--faults", "none.json"), "none.json: No such file"),
        (("--time-scale", "-1"), "--time-scale"),
        (("--port", "70000"), "--port"),
        (("--data", "/dev/null/x"), "/dev/null/x"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    with command(tmp_path, *arguments) as process:
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert said in " ".join(err.decode().split())
    assert b"Traceback" not in err
    assert b"bug" not in err


def test_a_missing_library_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    with command(tmp_path) as process:
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert b"needs a library that is not installed: uvicorn" in err
    assert b"pip install '.[emulator]'" in err


def test_help_does_not_load_it() -> None:
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reconciler", "--help"], capture_output=True, text=True, check=True
    )
    assert "emulator" in answer.stdout
    loaded = {text.rpartition("|")[2].strip() for text in answer.stderr.splitlines()}
    assert not loaded & {
        "uvicorn",
        "starlette",
        "jwt",
        "trustme",
        "cryptography",
        "reconciler.providers.emulator.server",
    }

"""A program in the jail ends: by its limits, by the clock, with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from unit.providers.image_files.jail.standing import HOSTILE, LIMITS, PYTHON, Place, place

from reconciler.providers.image_files.jail.running import MOST_OUTPUT, Ended, Jailed, JailError, run, start
from reconciler.providers.image_files.jail.terms import Limit, Wall


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as found:
        yield found


def test_a_file_does_not_grow_beyond_its_limit(around: Place) -> None:
    result = around.attack("write_much")

    assert (result.signal, result.limit) == ("SIGXFSZ", Limit.FILE_SIZE)
    assert (around.folder / "result").stat().st_size == 0


def test_processor_time_is_limited(around: Place) -> None:
    result = around.attack("compute_forever", limits=replace(LIMITS, processor_s=1))

    assert (result.signal, result.limit) == ("SIGXCPU", Limit.PROCESSOR)


def test_a_program_that_closed_its_output_is_killed_when_its_time_is_over(around: Place) -> None:
    result = around.attack("wait_forever", limits=replace(LIMITS, time_s=1))

    assert (result.signal, result.limit) == ("SIGKILL", Limit.TIME)
    assert result.output == "waiting\n"


def test_what_a_program_says_without_end_is_cut(around: Place) -> None:
    result = around.attack("talk_forever", limits=replace(LIMITS, time_s=1))

    assert result.limit is Limit.TIME
    assert len(result.output) == MOST_OUTPUT


def test_a_limit_of_memory_is_told_from_what_the_program_says(tmp_path: Path) -> None:
    script = "import sys; sys.exit('qemu: could not allocate dirty bitmap')"
    assert run(PYTHON, ["-I", "-S", "-c", script], (), LIMITS).limit is Limit.MEMORY


def _watch(jailed: Jailed) -> None:
    while True:
        jailed.check()
        time.sleep(0.01)


def test_while_something_else_goes_on_the_clock_and_the_program_are_watched() -> None:
    with start(PYTHON, ["-I", "-S", "-c", "raise SystemExit(3)"], (), LIMITS) as jailed, pytest.raises(Ended) as ended:
        _watch(jailed)
    assert ended.value.result.code == 3
    endless = ["-I", "-S", "-c", "import time; time.sleep(3600)"]
    with start(PYTHON, endless, (), replace(LIMITS, time_s=0.5)) as jailed, pytest.raises(Ended) as ended:
        _watch(jailed)
    assert ended.value.result.limit is Limit.TIME


def test_a_program_that_does_not_exist_is_an_error_of_the_jail(tmp_path: Path) -> None:
    with pytest.raises(JailError, match="No such file"):
        run(str(tmp_path / "absent"), [], (), LIMITS)
    (tmp_path / "data").write_text("no program")
    with pytest.raises(JailError, match="denied"):
        run(str(tmp_path / "data"), [], (), LIMITS)


@pytest.mark.parametrize("walls", [set(Wall), set()], ids=["all walls", "no wall"])
def test_it_is_gone_when_the_block_ends(walls: set[Wall]) -> None:
    endless = ["-I", "-S", "-c", "import time; time.sleep(3600)"]
    with start(PYTHON, endless, (), LIMITS, walls) as jailed:
        process = jailed._process.pid
        os.kill(process, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


STARTER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
sys.path[:0] = sys.argv[1:3]
from unit.providers.image_files.jail.standing import LIMITS, PYTHON
from reconciler.providers.image_files.jail.running import start
with start(PYTHON, ["-I", "-S", "-c", "import time; time.sleep(3600)"], (), LIMITS) as jailed:
    print(jailed._process.pid, flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_is_gone_when_our_process_dies(how: signal.Signals) -> None:
    tests = HOSTILE.parents[4]
    command = [sys.executable, "-c", STARTER, str(tests), str(tests.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as starter:
        assert starter.stdout is not None
        process = int(starter.stdout.readline())
        os.kill(process, 0)
        starter.send_signal(how)
        starter.wait()
    while _is_running(process):
        time.sleep(0.01)


def _is_running(process: int) -> bool:
    """A dead process whose new parent has not yet looked for it does not count."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"

"""What a program would try that somebody took over. It runs in the jail and is no test: `python -I -S hostile.py ...`.

The arguments are NAME VALUE pairs for `WHERE`, then `-`, then the attacks. A line for each of them goes to standard
error: its name, and `done` or the error that refused it.
"""

import ctypes
import os
import signal
import socket
import sys
import time

WHERE: dict[str, str] = {}
LIBRARY = ctypes.CDLL(None, use_errno=True)
SEIZE, NEW_USER, IO_URING_SETUP = 0x4206, 0x10000000, 425


def read_file() -> None:
    with open(WHERE["secret"]) as file:
        sys.stderr.write(file.read())


def list_folder() -> None:
    os.listdir(os.path.dirname(WHERE["secret"]))


def write_beside() -> None:
    with open(WHERE["beside"], "w") as file:
        file.write("written from the jail")


def write_source() -> None:
    os.close(os.open(WHERE["source"], os.O_RDWR))


def remove_file() -> None:
    os.unlink(WHERE["removable"])


def rename_file() -> None:
    os.rename(WHERE["removable"], WHERE["removable"] + ".new")


def connect_tcp() -> None:
    with socket.socket() as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", int(WHERE["port"])))


def send_udp() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.1", int(WHERE["udp_port"])))


def connect_abstract() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + WHERE["abstract"])


def connect_unix() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(WHERE["unix"])


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def signal_parent() -> None:
    os.kill(os.getppid(), 0)


def trace_parent() -> None:
    check(LIBRARY.ptrace(SEIZE, os.getppid(), None, None))


def unshare_user() -> None:
    check(LIBRARY.unshare(NEW_USER))


def open_ring() -> None:
    check(LIBRARY.syscall(IO_URING_SETUP, 4, ctypes.create_string_buffer(256)))


def open_many() -> None:
    for _ in range(10_000):
        os.open("/dev/null", os.O_RDONLY)


def allocate() -> None:
    kept = bytearray(int(WHERE["memory"]))
    kept[-1] = 1


def see_environment() -> None:
    names = [name for name in os.environ if name not in ("LC_ALL", "LC_CTYPE", "MALLOC_ARENA_MAX")]
    if not names:
        raise OSError("empty")


def dump_core() -> None:
    import resource

    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise OSError("no core files")


def write_much() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
    descriptor = os.open(WHERE["result"], os.O_RDWR)
    os.pwrite(descriptor, b"x", int(WHERE["beyond"]))


def execute_other() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606


def execute_itself() -> None:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "pass"])  # noqa: S606


def wait_forever() -> None:
    sys.stderr.write("waiting\n")
    os.close(2)
    time.sleep(3600)


def compute_forever() -> None:
    while True:
        pass


def talk_forever() -> None:
    while True:
        os.write(2, b"x" * 65536)


def start_threads() -> None:
    import threading

    for _ in range(int(WHERE["threads"])):
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()


def check(answer: int) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    end = sys.argv.index("-")
    pairs = sys.argv[1:end]
    WHERE.update(zip(pairs[::2], pairs[1::2], strict=True))
    for name in sys.argv[end + 1 :]:
        try:
            globals()[name]()
            answer = "done"
        except (OSError, MemoryError, RuntimeError) as error:
            answer = str(error) or type(error).__name__
        sys.stderr.write(f"{name}: {answer}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()

"""Downloads from a real https server on loopback: whole, resumed, shared, and refused when they are not what was named.

Hosts that are not loopback are never connected to: they are refused before.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from support.downloads.image_server import ImageServer, Served, answer, image_server, in_turn, redirect, status

from reconciler.manifests.trust import DownloadLimits, Trust
from reconciler.providers.errors import ProviderError, SourceError, Unavailable
from reconciler.providers.image_files.downloads.downloading import Downloads
from reconciler.providers.image_files.downloads.hosts import is_public
from reconciler.providers.image_files.downloads.limits import Limits

IMAGE = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(IMAGE).hexdigest()
QUICK = Limits(silence_s=20, window_s=20, least=0, tries=4, worth=1 << 30, pause_s=0.001, longest_pause_s=0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ImageServer]:
    with image_server(tmp_path) as started:
        yield started


def downloads(project: Path, trust: Trust, limits: Limits = QUICK) -> Downloads:
    project.mkdir(exist_ok=True)
    return Downloads(str(project), trust, limits)


def fetch(server: ImageServer, project: Path, path: str = "/image.raw", sha256: str = SHA256, **limits: int) -> bytes:
    held = downloads(project, server.trust(**limits)).fetch(server.url(path), sha256)
    return Path(held.path).read_bytes()


def folder(project: Path) -> Path:
    return project / ".reconciler/cache/images"


def test_an_image_is_downloaded_once_and_only_its_owner_may_read_it(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE)
    seen: list[tuple[int, int]] = []
    loading = downloads(tmp_path / "p", server.trust())
    assert loading.cached(server.url("/image.raw"), SHA256) == ""
    first = loading.fetch(server.url("/image.raw"), SHA256, lambda done, total: seen.append((done, total)))
    again = loading.fetch(server.url("/image.raw"), SHA256)
    assert Path(first.path).read_bytes() == IMAGE
    assert (
        first.path
        == again.path
        == loading.cached(server.url("/image.raw"), SHA256)
        == str(folder(tmp_path / "p") / SHA256)
    )
    assert len(server.requests) == 1
    assert seen[-1] == (len(IMAGE), len(IMAGE))
    assert stat.S_IMODE(os.stat(first.path).st_mode) == 0o600
    assert stat.S_IMODE(folder(tmp_path / "p").stat().st_mode) == 0o700
    assert sorted(os.listdir(folder(tmp_path / "p"))) == [SHA256, f"{SHA256}.lock"]


def test_a_download_that_breaks_off_continues_where_it_ended(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE, '"v1"', cuts=[1000, 500])
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges() == ["", "bytes=1000-", "bytes=1500-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"v1"', '"v1"']


def test_a_later_process_continues_a_download(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE, '"v1"', cuts=[1000, 0, 0, 0])
    with pytest.raises(Unavailable, match=r"ended after 1000 of 1048576 bytes") as raised:
        fetch(server, tmp_path / "p")
    assert "continues where it ended" in raised.value.remedy
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges()[-1] == "bytes=1000-"


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', ""])
def test_a_file_that_changed_since_is_downloaded_whole(tmp_path: Path, server: ImageServer, etag: str) -> None:
    """Without an ETag to compare, the digest shows it."""
    old = Served(b"\1" * 2000, etag, cuts=[1000])
    server.answers["/image.raw"] = in_turn(old, Served(IMAGE, '"v2"' if etag else ""))
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges()[1] == "bytes=1000-"


@pytest.mark.parametrize("size", [500, 1000])
def test_a_file_that_shrank_is_downloaded_whole(tmp_path: Path, server: ImageServer, size: int) -> None:
    """The server answers 416 to what is asked of it."""
    small = IMAGE[:size]
    server.answers["/image.raw"] = in_turn(Served(b"\1" * 2000, cuts=[1000]), Served(small))
    assert fetch(server, tmp_path / "p", sha256=hashlib.sha256(small).hexdigest()) == small


def test_an_earlier_run_had_all_of_it(tmp_path: Path, server: ImageServer) -> None:
    folder(tmp_path / "p").mkdir(parents=True)
    (folder(tmp_path / "p") / f"{SHA256}.part").write_bytes(IMAGE)
    server.answers["/image.raw"] = Served(IMAGE)
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges() == [f"bytes={len(IMAGE)}-"]


def test_a_range_that_begins_elsewhere_is_not_used(tmp_path: Path, server: ImageServer) -> None:
    def wrong(request: BaseHTTPRequestHandler) -> None:
        body = IMAGE[900:]
        headers = {"Content-Range": f"bytes 900-{len(IMAGE) - 1}/{len(IMAGE)}"}
        answer(request, 206, body, headers)

    server.answers["/image.raw"] = in_turn(Served(IMAGE, cuts=[1000]), wrong, Served(IMAGE))
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges() == ["", "bytes=1000-", ""]


def test_another_content_is_refused_and_not_kept(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE + b"\0")
    with pytest.raises(SourceError, match="is not the image that the manifest names") as raised:
        fetch(server, tmp_path / "p")
    assert SHA256 in raised.value.message
    assert hashlib.sha256(IMAGE + b"\0").hexdigest() in raised.value.message
    assert not (folder(tmp_path / "p") / SHA256).exists()
    assert (folder(tmp_path / "p") / f"{SHA256}.part").stat().st_size == 0


def test_a_content_encoding_is_not_decoded(tmp_path: Path, server: ImageServer) -> None:
    import gzip

    packed = gzip.compress(IMAGE)
    server.answers["/image.raw.gz"] = Served(packed, headers={"Content-Encoding": "gzip"})
    assert fetch(server, tmp_path / "p", "/image.raw.gz", hashlib.sha256(packed).hexdigest()) == packed
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 416, 204, 304])
def test_an_answer_that_will_not_change_is_an_error_at_once(tmp_path: Path, server: ImageServer, code: int) -> None:
    server.answers["/image.raw"] = status(code)
    with pytest.raises(SourceError, match=f"the server answers {code}") as raised:
        fetch(server, tmp_path / "p")
    assert "what a server says" not in raised.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_may_change_is_asked_for_again(tmp_path: Path, server: ImageServer, code: int) -> None:
    server.answers["/image.raw"] = in_turn(status(code), status(code), Served(IMAGE))
    assert fetch(server, tmp_path / "p") == IMAGE
    server.answers["/image.raw"] = status(code)
    with pytest.raises(Unavailable, match=f"the server answers {code}"):
        fetch(server, tmp_path / "other")
    assert len(server.requests) == 3 + QUICK.tries


def test_redirects_over_https_are_followed(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = redirect("/moved?sig=SECRET")
    server.answers["/moved?sig=SECRET"] = redirect(server.url("/final"))
    server.answers["/final"] = Served(IMAGE)
    assert fetch(server, tmp_path / "p") == IMAGE


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost/image.raw",
        "file:///etc/passwd",
        "ftp://localhost/image.raw",
        "https://user:SECRET@localhost/image.raw",
        "https://[::1/image.raw?sig=SECRET",
        "https://localhost:99999/image.raw?sig=SECRET",
        "https:///image.raw",
        "//",
        "",
    ],
)
def test_a_redirect_to_anything_else_is_refused(tmp_path: Path, server: ImageServer, location: str) -> None:
    server.answers["/image.raw"] = redirect(location)
    with pytest.raises(SourceError) as raised:
        fetch(server, tmp_path / "p")
    assert "SECRET" not in raised.value.message + raised.value.remedy


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0.0.0.0",  # noqa: S104 - refused
        "10.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "192.168.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[::]",
    ],
)
def test_private_addresses_are_not_connected_to(tmp_path: Path, server: ImageServer, host: str) -> None:
    """Neither by the manifest, nor by a redirect of a trusted server, whose signature in it is not shown."""
    direct = downloads(tmp_path / "p", Trust())
    with pytest.raises((SourceError, Unavailable)) as raised:
        direct.fetch(f"https://{host}:{server.port}/image.raw", SHA256)
    assert isinstance(raised.value, Unavailable) or "has no public address" in raised.value.message
    server.answers["/image.raw"] = redirect(f"https://{host}:{server.port + 1}/meta?sig=SECRET")
    with pytest.raises((SourceError, Unavailable)) as raised:
        fetch(server, tmp_path / "p")
    assert "SECRET" not in raised.value.message + raised.value.remedy
    assert server.connections == 1


def test_addresses_of_the_internet_are_public() -> None:
    assert [number for number in ("1.1.1.1", "2606:4700::1111", "64:ff9b::101:101") if not is_public(number)] == []
    assert is_public("no address") is False


def test_a_chain_of_redirects_has_an_end(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = redirect("/image.raw")
    with pytest.raises(SourceError, match="redirected more than 5 times"):
        fetch(server, tmp_path / "p")
    assert len(server.requests) == 6


def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path, server: ImageServer) -> None:
    hosts = {f"localhost:{server.port}": None}
    with pytest.raises(SourceError, match=r"certificate of the host 'localhost' is not trusted") as raised:
        downloads(tmp_path / "p", Trust(downloads=DownloadLimits(hosts=hosts))).fetch(server.url("/x"), SHA256)
    assert "downloads.hosts" in raised.value.remedy
    assert server.requests == []


def test_no_proxy_of_the_environment_is_used(
    tmp_path: Path, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/image.raw"] = Served(IMAGE)
    assert fetch(server, tmp_path / "p") == IMAGE


def test_a_file_of_a_trusted_folder_is_taken(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "an image.raw").write_bytes(IMAGE)
    url = f"file://{shelf}/an%20image.raw"
    held = downloads(tmp_path / "p", Trust(directories=(shelf,))).fetch(url, SHA256)
    assert Path(held.path).read_bytes() == IMAGE
    (shelf / "link").symlink_to(tmp_path / "authority.pem")
    (tmp_path / "authority.pem").write_bytes(IMAGE)
    for trust, path in ((Trust(), url), (Trust(directories=(shelf,)), f"file://{shelf}/link")):
        with pytest.raises(SourceError, match="in no folder that whoever runs this trusts"):
            downloads(tmp_path / "q", trust).fetch(path, SHA256)


def test_a_file_of_the_project_is_no_url(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/image.raw").write_bytes(IMAGE)
    with pytest.raises(SourceError, match="in no folder") as raised:
        downloads(tmp_path / "p", Trust()).fetch(f"file://{tmp_path}/p/image.raw", SHA256)
    assert "write `file` in place of `url`" in raised.value.remedy


def test_what_lies_in_the_cache_is_not_trusted(tmp_path: Path, server: ImageServer) -> None:
    """A checkout may bring a cache of its own: other bytes under the name, links, folders."""
    server.answers["/image.raw"] = Served(IMAGE)
    secret = tmp_path / "secret"
    secret.write_bytes(IMAGE)
    plants: dict[str, Callable[[Path], object]] = {
        "bytes": lambda place: (place / SHA256).write_bytes(b"other"),
        "link": lambda place: (place / SHA256).symlink_to(secret),
        "etag": lambda place: (place / f"{SHA256}.etag").symlink_to(secret),
        "part": lambda place: (place / f"{SHA256}.part").write_bytes(b"other"),
    }
    for name, plant in plants.items():
        place = folder(tmp_path / name)
        place.mkdir(parents=True)
        plant(place)
        assert fetch(server, tmp_path / name) == IMAGE
        assert secret.read_bytes() == IMAGE
        assert not (place / SHA256).is_symlink()
    assert len(server.requests) >= 4


@pytest.mark.parametrize("name", [".reconciler", ".reconciler/cache", ".reconciler/cache/images"])
def test_a_link_in_the_path_of_the_cache_is_not_followed(tmp_path: Path, server: ImageServer, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "p" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ProviderError, match="cannot be used for downloads"):
        fetch(server, tmp_path / "p")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert server.connections == 0


@pytest.mark.parametrize("ending", [".part", ".lock"])
def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path, server: ImageServer, ending: str) -> None:
    folder(tmp_path / "p").mkdir(parents=True)
    (folder(tmp_path / "p") / f"{SHA256}{ending}").symlink_to(tmp_path / "victim")
    with pytest.raises(ProviderError):
        fetch(server, tmp_path / "p")
    assert not (tmp_path / "victim").exists()


def test_two_at_once_download_once(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: fetch(server, tmp_path / "p"), range(6)))
    assert found == [IMAGE] * 6
    assert len(server.requests) == 1


_FETCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from pathlib import Path
from reconciler.manifests.trust import DownloadLimits, Trust
from reconciler.providers.image_files.downloads.downloading import Downloads
project, host, authority, url, sha256 = sys.argv[1:]
trust = Trust(downloads=DownloadLimits(hosts={host: Path(authority)}))
print(Downloads(project, trust).fetch(url, sha256).path)
"""


def test_two_processes_at_once_download_once(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE)
    (tmp_path / "p").mkdir()
    host, url = f"localhost:{server.port}", server.url("/image.raw")
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "p"), host, str(server.authority), url, SHA256]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate()[0].strip() for process in running}
    assert paths == {str(folder(tmp_path / "p") / SHA256)}
    assert len(server.requests) == 1


def test_a_download_that_is_stopped_by_ctrl_c_continues_later(tmp_path: Path, server: ImageServer) -> None:
    """The process ends while the server keeps it waiting; nobody has to free its lock."""
    arrived, released = threading.Event(), threading.Event()

    def half(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, IMAGE[: 1 << 19], {"Content-Length": str(len(IMAGE)), "ETag": '"v1"'})
        arrived.set()
        released.wait(60)

    server.answers["/image.raw"] = in_turn(half, Served(IMAGE, '"v1"'))
    (tmp_path / "p").mkdir()
    host, url = f"localhost:{server.port}", server.url("/image.raw")
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "p"), host, str(server.authority), url, SHA256]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert arrived.wait(60)
    part = folder(tmp_path / "p") / f"{SHA256}.part"
    while part.stat().st_size < 1 << 19:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    released.set()
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert fetch(server, tmp_path / "p") == IMAGE
    assert server.ranges() == ["", f"bytes={1 << 19}-"]


def test_images_used_last_are_kept(tmp_path: Path, server: ImageServer) -> None:
    contents = [os.urandom(64 << 10) for _ in range(4)]
    for number, content in enumerate(contents):
        server.answers[f"/{number}"] = Served(content)
    foreign = folder(tmp_path / "p") / "notes.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    loading = downloads(tmp_path / "p", server.trust(cache=150 << 10))
    names = [hashlib.sha256(content).hexdigest() for content in contents]
    held = loading.fetch(server.url("/0"), names[0])  # in use: never removed
    for number in (1, 2, 3):
        loading.fetch(server.url(f"/{number}"), names[number])
        os.utime(foreign.parent / f"{names[number]}.lock", (number, number))
    kept = {name for name in os.listdir(foreign.parent) if len(name) == 64}
    assert names[0] in kept
    assert names[3] in kept
    assert len(kept) == 2
    assert foreign.read_text() == "mine"
    assert Path(held.path).read_bytes() == contents[0]


def test_a_download_that_is_too_large_is_refused(tmp_path: Path, server: ImageServer) -> None:
    """By what the server says before, and by what it sends."""
    server.answers["/said"] = Served(IMAGE)

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response_only(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            request.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    server.answers["/endless"] = endless
    for path, most in (("/said", len(IMAGE) - 1), ("/endless", 4 << 20)):
        with pytest.raises(SourceError, match=r"is larger than .* GiB") as raised:
            fetch(server, tmp_path / "p", path, image=most)
        assert "downloads.largestGiB" in raised.value.remedy
    assert (folder(tmp_path / "p") / f"{SHA256}.part").stat().st_size <= 4 << 20


def test_a_download_that_does_not_fit_on_the_disk_is_not_started(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(b"", headers={"Content-Length": str(1 << 60)})

    def promising(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, b"", {"Content-Length": str(1 << 60)})

    server.answers["/image.raw"] = promising
    with pytest.raises(ProviderError, match="has no space for a download"):
        fetch(server, tmp_path / "p", image=1 << 61)


def test_a_server_that_is_too_slow_is_left(tmp_path: Path, server: ImageServer) -> None:
    """It sends a byte now and then, before its headers or in the body."""

    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.send_response_only(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while True:
            request.wfile.write(b"x")
            time.sleep(0.01)

    def slow_header(request: BaseHTTPRequestHandler) -> None:
        while True:
            request.wfile.write(b"x")
            time.sleep(0.01)

    limits = replace(QUICK, window_s=0.2, least=1 << 20, tries=2)
    for path, behave in (("/body", trickle), ("/header", slow_header)):
        server.answers[path] = behave
        with pytest.raises(Unavailable):
            downloads(tmp_path / "p", server.trust(), limits).fetch(server.url(path), SHA256)


def test_a_server_that_brings_enough_is_asked_as_often_as_it_takes(tmp_path: Path, server: ImageServer) -> None:
    server.answers["/image.raw"] = Served(IMAGE, '"v1"', cuts=[100_000] * 10)
    limits = replace(QUICK, tries=2, worth=100_000)
    held = downloads(tmp_path / "p", server.trust(), limits).fetch(server.url("/image.raw"), SHA256)
    assert Path(held.path).read_bytes() == IMAGE
    assert len(server.requests) == 11

"""Ambiguous paths, queries and JSON are refused; well-formed ones are decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.http.request_parsing import RawRequest


def raw(target: bytes = b"/", query: bytes = b"", body: bytes = b"", method: str = "PUT", **headers: str) -> RawRequest:
    return RawRequest(method, target, query, {"host": "localhost:1", **headers}, body)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/subscriptions", "/subscriptions"),
        (b"/subscriptions/", "/subscriptions"),
        (b"/a/East%20US", "/a/East US"),
        (b"/a/%C3%A9", "/a/é"),
        (b"/a/%2541", "/a/%41"),
        (b"/a/..b", "/a/..b"),
        (b"/a/providers/Some.Space//kinds/b", "/a/providers/Some.Space/kinds/b"),
    ],
)
def test_a_path_is_decoded_once(target: bytes, path: str) -> None:
    assert raw(target).path() == path


@pytest.mark.parametrize(
    "target",
    [
        b"/a/../b",
        b"/a/./b",
        b"/a/%2e%2e/b",
        b"/a/%2E./b",
        b"/a%2Fb",
        b"/a%2fb",
        b"/a\\b",
        b"/a%5Cb",
        b"/a//b",
        b"//a",
        b"/a//",
        b"/providers//kinds/b",
        b"/providers/Some.Space///kinds/b",
        b"/providers/Some.Space//",
        b"/providers/..//kinds/b",
        b"/a/%20/b",
        b"/a%00",
        b"/a%0Ab",
        b"/a%7F",
        b"/%",
        b"/a%2",
        b"/a%GG",
        b"/%FF",
        b"/%C3",
        b"/%ED%A0%80",
        b"https://elsewhere/a",
        b"*",
        b"",
        b"/" + b"a" * 5000,
    ],
)
def test_a_path_of_two_meanings_is_refused(target: bytes) -> None:
    with pytest.raises(ArmError) as refused:
        raw(target).path()
    assert (refused.value.status, refused.value.code) == (400, "InvalidRequestUri")


def test_names_of_parameters_are_in_lower_case_and_values_decoded() -> None:
    query = b"API-Version=2026-03-03&$expand=SharingProfile%2FGroups&empty=&a+b=c+d"
    assert raw(query=query).query() == {
        "api-version": "2026-03-03",
        "$expand": "SharingProfile/Groups",
        "empty": "",
        "a b": "c d",
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"api-version=1&api-version=2", "InvalidQueryParameter"),
        (b"api-version=1&API-VERSION=1", "InvalidQueryParameter"),
        (b"a=%FF", "InvalidRequestUri"),
        (b"a=%", "InvalidRequestUri"),
        (b"a=\xff", "InvalidRequestUri"),
        (b"a=" + b"b" * 5000, "InvalidRequestUri"),
        (b"&".join(b"a%d=1" % number for number in range(100)), "InvalidRequestUri"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(query: bytes, code: str) -> None:
    with pytest.raises(ArmError) as refused:
        raw(query=query).query()
    assert (refused.value.status, refused.value.code) == (400, code)


def nested(depth: int) -> bytes:
    """An object with so many levels, including the outermost."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": [null, true, -1.5e3, "\\u00e9\\ud83d\\ude00"]}', {"a": [None, True, -1500.0, "é😀"]}),
        (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        (nested(64), json.loads(nested(64))),
    ],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    assert raw(body=body).json() == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 9223372036854775808}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        '{"a": 1}'.encode("utf-16"),
        nested(65),
        nested(100_000),
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_json_that_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(ArmError) as refused:
        raw(body=body).json()
    assert (refused.value.status, refused.value.code) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
    ],
)
def test_only_plain_json_is_a_body(headers: dict[str, str]) -> None:
    request = RawRequest("PUT", b"/", b"", {"host": "localhost", **headers}, b"{}")
    with pytest.raises(ArmError) as refused:
        request.json()
    assert refused.value.status == 415


def test_parameters_of_the_media_type_do_not_count() -> None:
    request = RawRequest("PUT", b"/", b"", {"content-type": "Application/JSON; charset=utf-8"}, b"{}")
    assert request.json() == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_comes_with_a_read_or_a_deletion_is_not_looked_at(method: str) -> None:
    assert raw(method=method, body=b"{").json() is None


def test_a_post_may_be_empty() -> None:
    assert raw(method="POST").json() is None


@pytest.mark.parametrize("host", ["localhost", "localhost:8443", "127.0.0.1:1", "[::1]:8443", "emu.example.org"])
def test_the_host_is_how_the_client_reached_us(host: str) -> None:
    assert raw(host=host).base_url == f"https://{host}"


@pytest.mark.parametrize("host", ["", "a b", "a/b", "user@host", "host:port", 'a"', "host:1:2", "é"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ArmError, match="Host header"):
        _ = raw(host=host).base_url

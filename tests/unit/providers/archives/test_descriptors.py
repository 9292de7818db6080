"""XML that somebody else wrote: encodings, document types, and the limits of what is read."""

from __future__ import annotations

import pytest
from support.image_files.archives import one_machine

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.archives.descriptor import described
from reconciler.providers.image_files.archives.members import meant_by, names_of, plain_name

TEXT = one_machine(d="d.img")
TYPE = '<!DOCTYPE x [<!ENTITY f "d.img">]>'


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-8-SIG", "UTF-16", "ISO-8859-1", "US-ASCII", "windows-1252"])
def test_encodings_are_those_that_the_document_declares(encoding: str) -> None:
    declared = encoding.removesuffix("-SIG")
    name = "vm u" if declared == "US-ASCII" else "vm ü"
    content = TEXT.replace("UTF-8", declared).replace("<Name>vm", f"<Name>{name}")
    (found,) = described(content.encode(encoding), "label").machines
    assert found.name == name


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "UTF-16-BE", "UTF-16-LE", "ISO-8859-1", "windows-1252"])
@pytest.mark.parametrize("what", [TYPE, "<!DOCTYPE x>", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x">'])
def test_a_document_type_is_refused_where_the_parser_meets_it(encoding: str, what: str) -> None:
    content = TEXT.replace("UTF-8", encoding.removesuffix("-BE").removesuffix("-LE"))
    content = content.replace("<Envelope", f"{what}<Envelope", 1)
    mark = {"UTF-16-BE": b"\xfe\xff", "UTF-16-LE": b"\xff\xfe"}.get(encoding, b"")
    with pytest.raises(SourceError, match="has a document type declaration"):
        described(mark + content.encode(encoding), "label")


@pytest.mark.parametrize(
    "text",
    ["<![CDATA[<!DOCTYPE a> & b]]>", "<!-- <!DOCTYPE a> -->", "<?pi <!DOCTYPE a> ?>", "&lt;!DOCTYPE a&gt; &#38;"],
)
def test_what_looks_like_one_is_none(text: str) -> None:
    assert described(TEXT.replace("<Info/>", f"<Info>{text}</Info>").encode(), "label").disks.keys() == {"d"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not well-formed"),
        (b"\0" * 4096, "not well-formed"),
        (b"<Envelope", "not well-formed"),
        (b"<a>&f;</a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?><a/>', "not well-formed"),
        (b"<a><b/></a><c/>", "not well-formed"),
        (b"<x:a/>", "not well-formed"),
        (b"<a>" + b"<b/>" * 100_001 + b"</a>", "more than 100000 elements"),
        (b"<a>" * 1_000_000, "more than 1000 in one another"),
        (b"<a " + b"n" * (1 << 20) + b"='1' " + b"n" * (1 << 20) + b"='1'/>", "not well-formed"),
    ],
)
def test_what_is_no_descriptor_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        described(content, "'x.ova'")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("written", "names", "meant"),
    [
        ("d.img", ("d.img",), "d.img"),
        ("./d.img", ("d.img",), "d.img"),
        ("a/./b//d.img", ("a/b/d.img",), "a/b/d.img"),
        ("my%20d.img", ("my%20d.img", "my d.img"), "my d.img"),
        ("%2e%2e/d.img", ("%2e%2e/d.img",), ""),
        ("a%2f..%2f..%2fb", ("a%2f..%2f..%2fb",), ""),
        ("..", (), ""),
        ("a/../b", (), ""),
        ("/d.img", (), ""),
        (".", (), ""),
        ("", (), ""),
        ("%00", ("%00",), ""),
        ("http://h/d.img", ("http:/h/d.img",), ""),
        ("file:d.img", ("file:d.img",), ""),
        ("C:d.img", ("C:d.img",), ""),
        ("-x", ("-x",), "-x"),
        ("...", ("...",), "..."),
        ("n" * 1025, (), ""),
    ],
)
def test_references_stay_in_the_archive(written: str, names: tuple[str, ...], meant: str) -> None:
    assert names_of(written) == names
    assert meant_by(written) == meant
    assert plain_name(written) in (*names, "")

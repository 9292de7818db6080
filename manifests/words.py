"""The nearest valid word for a misspelled one, quoting, and secrets that must never be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

_MOST_COMPARED = 300


def nearest(word: str, words: Iterable[str], alike: float = 0.55) -> str:
    """The word of `words` that `word` was most likely meant to be, ignoring case; empty when none is near. `alike`: how
    much of the two must be the same, from 0 to 1.

    More than a few hundred words must be sorted: only those that would stand beside `word` are compared.
    """
    import difflib  # 3 ms that only a mistake should cost

    by_lower = {known.lower(): known for known in _compared(word, list(words))}
    matches = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=alike)
    return by_lower[matches[0]] if matches else ""


def _compared(word: str, words: list[str]) -> list[str]:
    """Of very many words, which must be sorted, those that would stand beside `word`; else all."""
    if len(words) <= _MOST_COMPARED:
        return words
    from bisect import bisect_left

    at = bisect_left(words, word)
    return words[max(0, at - _MOST_COMPARED // 2) : at + _MOST_COMPARED // 2]


def suggestion(word: str, words: Iterable[str], *, label: str = "allowed") -> str:
    """What to write instead of `word`: the nearest of `words`, and all of them in the order given."""
    known = list(words)
    near = nearest(word, known)
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}{label}: {listed(known) or 'nothing'}"


def listed(words: Sequence[str], most: int = 20) -> str:
    """The words with commas between them; of very many the first, and how many there are besides."""
    shown = [*words[:most], f"and {len(words) - most:,} more"] if len(words) > most else words
    return ", ".join(shown)


def without_secrets(text: str) -> str:
    """`text` with signatures, keys, tokens and passwords replaced by `***`; in time proportional to its length."""
    if not re.search(_SIGNS, text):
        return text
    for pattern, replacement in _shapes():
        text = pattern.sub(replacement, text)
    text = _without_named(text)
    if "://" in text:
        text = re.sub(_WORD, lambda word: _without_user_info(word[0]), text)
    return "\n".join(map(_without_netrc, text.split("\n"))) if "password" in text.lower() else text


_SIGNS = r"(?i)[=:]|password|bearer|basic|sharedkey|-----BEGIN|eyJ"
_WORD = r"[^\s\"'<>]+"
_SECRET_NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "accountkey", "sharedkey",
    "privatekey", "secretkey", "authkey", "sharedaccesssignature", "authorization",
)  # fmt: skip
"""How names of secrets end, in lower case and without `_`, `-` and `.`."""


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is a secret by its shape alone. No pattern can begin within what another attempt of it has read."""
    key = r"(?s)(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----).*?(?:(?=-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)|\Z)"
    scheme = (
        r"\b((?i:bearer|basic|sharedkey(?:lite)?)\s{1,8})(?!\w{1,40}=\")"
        r"(?=[\w.~+/:-]{0,200}(?:\d|=|[a-z][A-Z]))[\w.~+/=:-]{8,}+"
    )
    jwt = r"(?<![\w.-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"  # a JSON Web Token, RFC 7519
    return (
        (re.compile(key), r"\1***"),
        (re.compile(scheme), r"\1***"),
        (re.compile(jwt), "***"),
    )


@cache
def _name_and_value() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A name with `=` or `:` after it; and a value: in quotes with everything in them, else one word.

    A name is tried only where one begins, so that a long one is read once.
    """
    name = re.compile(r"(?<![\w%.+-])([\w%.+-]++)\\?[\"']?\s{0,8}([:=])\s{0,8}")
    value = re.compile(
        r"(?:(?i:bearer|basic|digest|negotiate|sharedkey|sharedkeylite)\s{1,8})?(?:"
        r'\\"((?:[^"\\\n]|\\[^"\n])++)|"((?:[^"\\\n]|\\.)++)|'
        r"\\?'([^'\n]++)|([^;&\s\"',}]++))"
    )
    return name, value


def _without_named(text: str) -> str:
    """`text` without the values of what is called a secret: `password=`, `"clientSecret": "`, `%73ig=`."""
    name, value = _name_and_value()
    kept, at = [], 0
    for found in name.finditer(text):
        if found.start() < at or not _is_secret(found[1], found[2]):
            continue
        secret = value.match(text, found.end())
        if secret and secret.lastindex and not _continues(text, found, secret):
            kept += [text[at : secret.start(secret.lastindex)], "***"]
            at = secret.end(secret.lastindex)
    return "".join([*kept, text[at:]])


def _continues(text: str, name: re.Match[str], value: re.Match[str]) -> bool:
    """Whether what looks like a value is a word of a sentence ("there is no token: the service does not answer"), or a
    reference such as $(cat FILE) or ${NAME}, which is no secret."""
    word = value[0]
    if word.startswith("$"):
        return True
    before, after = text[max(0, name.start() - 2) : name.start()], text[value.end() : value.end() + 2]
    sentence = before[:1].isalnum() and before[1:] == " " and after[:1] == " " and after[1:].isalpha()
    return sentence and name[2] == ":" and word.isalpha() and word.islower()


def _is_secret(name: str, sign: str) -> bool:
    if "%" in name:
        from urllib.parse import unquote

        name = unquote(name[-60:])
    plain = name[-60:].lower()
    if plain.rpartition(".")[2] == "sig":
        return sign == "="
    if plain.endswith("key-secret"):  # of QEMU: the name of the object that holds it
        return False
    return plain.replace("_", "").replace("-", "").replace(".", "").endswith(_SECRET_NAMES)


def _without_user_info(word: str) -> str:
    """A word without the password in the URLs in it, and without a long user name, which is a token.

    The password ends with the last `@` before the path; and when there is none, as it has a `/` that should have been
    encoded, with the last `@` of all.
    """
    before, *parts = word.split("://")
    return "://".join([before, *map(_without_password, parts)])


def _without_password(rest: str) -> str:
    """What follows `://`."""
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    at = rest.rfind("@", 0, end)
    if at < 0 and not _port_only(rest[:end]):
        at = rest.rfind("@")
    user, colon, password = rest[: max(at, 0)].partition(":")
    if colon and password:
        return f"{user}:***{rest[at:]}"
    return f"***{rest[at:]}" if len(user) >= 20 and not colon else rest


def _port_only(authority: str) -> bool:
    """Whether there is no password in `authority`: what follows its colon is a port, or there is no colon."""
    host, colon, port = authority.rpartition(":")
    return not colon or port.isdigit() or not port or host.startswith("[")


def _without_netrc(line: str) -> str:
    """A line without the word after `password`, as in ~/.netrc: beside `login NAME` or its like, or alone."""
    if re.fullmatch(_NETRC_ALONE, line):
        return re.sub(_NETRC_ALONE, r"\1***", line)
    return re.sub(_NETRC_BEFORE, r"\1***", re.sub(_NETRC_AFTER, r"\1***", line))


_NETRC_ALONE = r"(?i)(\s{0,40}password\s{1,8})\S++\s{0,40}"
_NETRC_AFTER = r"(?i)(?<!\S)((?:(?:machine|login|account)\s{1,8}\S{1,200}|default)\s{1,8}password\s{1,8})\S++"
_NETRC_BEFORE = r"(?i)(?<!\S)(password\s{1,8})\S{1,200}(?=\s{1,8}(?:machine|login|account|macdef)\s{1,8}\S)"


def for_shell(word: object) -> str:
    """A word of a command that is to be pasted: in quotes when a shell would not take it as it is."""
    import shlex

    return shlex.quote(str(word))


def quoted(text: str) -> str:
    """`text` in quotes, on one line, truncated to 80 characters."""
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    return f"'{shown}'" if shown.isprintable() else ascii(shown)

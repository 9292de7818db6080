"""Typed values from strings: YAML scalars arrive as they were written, and these give each its type.

Each is used in an annotation, `Annotated[int, Integer(1, 100)]`, and parses, explains and describes itself.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.manifests.address import Address, is_version
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.regions import canonical_region
from reconciler.manifests.words import quoted, suggestion

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)
_GALLERY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]{0,78}[A-Za-z0-9])?")
_DEFINITION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9])?")
VALUE_REFERENCE = {"type": "string", "pattern": r"\$\{values\.[^}]+\}"}


def type_name(value: object) -> str:
    """The type of a YAML value, with its article, as messages name it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a string"


class Scalar(ABC):
    """The base of all scalars: parses strings, and rejects any other value by the name of its type."""

    what = "a string"

    @abstractmethod
    def parse(self, text: str) -> Any:
        """The value that `text` spells. Raises: InvalidInput."""

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, value: object) -> Any:
        if not isinstance(value, str):
            raise InvalidInput(f"must be {self.what}, not {type_name(value)}")
        return self.parse(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json_schema()


@dataclass(frozen=True)
class Integer(Scalar):
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = 2**31 - 1
    what = "a whole number"

    def parse(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise InvalidInput(
                f"{quoted(text)} is not a whole number", "write decimal digits only, without leading zeros"
            )
        number = int(text)
        if not self.least <= number <= self.most:
            raise InvalidInput(f"{text} is out of range", f"allowed: {self.least} to {self.most}")
        return number

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.least, "maximum": self.most}, VALUE_REFERENCE]}


@dataclass(frozen=True)
class Boolean(Scalar):
    """`true` or `false`."""

    what = "true or false"

    def parse(self, text: str) -> bool:
        if text in ("true", "True", "TRUE"):
            return True
        if text in ("false", "False", "FALSE"):
            return False
        raise InvalidInput(f"{quoted(text)} is neither true nor false", "allowed: true, false")

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, VALUE_REFERENCE]}


@dataclass(frozen=True)
class Timestamp(Scalar):
    """A date, or date and time; UTC without an offset, midnight without a time. Canonical: whole seconds in UTC."""

    what = "a date such as 2030-01-31"

    def parse(self, text: str) -> str:
        if not _TIME.fullmatch(text):
            raise InvalidInput(f"{quoted(text)} is not a date", "write 2030-01-31 or 2030-01-31T12:00:00Z")
        try:
            moment = datetime.fromisoformat(text.upper().replace(" ", "T"))
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError) as cause:
            raise InvalidInput(
                f"{quoted(text)} is not a date in the calendar", "check year, month, day and time"
            ) from cause
        return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"}, VALUE_REFERENCE]}


class Choice(Scalar):
    """One of a few words, in any case; the canonical spelling is the one given here."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self._canonical = {word.lower(): word for word in words}
        self.what = f"one of {', '.join(words)}"

    def parse(self, text: str) -> str:
        word = self._canonical.get(text.lower())
        if word is None:
            raise InvalidInput(f"{quoted(text)} is not allowed", suggestion(text, self.words))
        return word

    def json_schema(self) -> dict[str, Any]:
        any_case = "|".join("".join(_either_case(char) for char in word) for word in self.words)
        return {
            "anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": f"^({any_case})$"}, VALUE_REFERENCE]
        }


@dataclass(frozen=True)
class String(Scalar):
    """A string of at most `longest` characters (0: any number) that matches `pattern`; `rule` says what is allowed."""

    pattern: str = r"(?s).+"
    rule: str = "it must not be empty"
    longest: int = 0

    def parse(self, text: str) -> str:
        if self.longest and len(text) > self.longest:
            raise InvalidInput(f"is too long: {len(text)} characters", f"allowed: at most {self.longest}")
        if not re.fullmatch(self.pattern, text):
            raise InvalidInput(f"{quoted(text)} is not allowed", self.rule)
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class GalleryName(Scalar):
    def parse(self, text: str) -> str:
        if not _GALLERY.fullmatch(text):
            raise InvalidInput(
                f"{quoted(text)} is not a valid gallery name",
                "allowed: 1 to 80 letters, digits, '.' and '_' (no '-'), starting and ending with a letter or digit",
            )
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"]}


@dataclass(frozen=True)
class DefinitionName(Scalar):
    def parse(self, text: str) -> str:
        if not _DEFINITION.fullmatch(text) or text.lower() == "latest":
            raise InvalidInput(
                f"{quoted(text)} is not a valid image definition name",
                "allowed: 1 to 80 letters, digits, '.', '_' and '-', starting and ending with a letter or digit",
            )
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"]}


@dataclass(frozen=True)
class VersionName(Scalar):
    """`Major.Minor.Patch`, three decimal numbers below 2^31 without leading zeros."""

    what = "a version number such as 1.0.0"

    def parse(self, text: str) -> str:
        if len(text) > 32 or not is_version(text) or text != _plain_numbers(text):
            near = nearest_version(text)
            raise InvalidInput(
                f"{quoted(text)} is not a version number",
                (f"did you mean {near}? " if near else "")
                + "write Major.Minor.Patch, three whole numbers up to 2147483647 without leading zeros",
            )
        return text

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10}$"}, VALUE_REFERENCE]}


def nearest_version(text: str) -> str:
    """The version number that `text` comes close to (`1.0` gives `1.0.0`), or an empty string."""
    numbers = re.findall(r"[0-9]{1,10}", text[:64])[:3]
    if not numbers:
        return ""
    return ".".join([*(str(min(int(number), 2**31 - 1)) for number in numbers), *["0"] * (3 - len(numbers))])


def _plain_numbers(version: str) -> str:
    return ".".join(str(int(part)) for part in version.split("."))


@dataclass(frozen=True)
class RegionName(Scalar):
    """A region in any spelling; canonical in lower case without spaces."""

    what = "a region name"

    def parse(self, text: str) -> str:
        try:
            return canonical_region(text)
        except ValueError as cause:
            raise InvalidInput(f"{quoted(text)} is not a region name", "write one like 'East US' or eastus") from cause

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True)
class AddressText(Scalar):
    """An address whose parts follow the rules for names; `depths` are the numbers of parts that it may have."""

    depths: tuple[int, ...] = (1, 2, 3)
    form: str = "GALLERY, GALLERY/DEFINITION or GALLERY/DEFINITION/VERSION"
    latest: bool = False
    what = "an address"

    def parse(self, text: str) -> Address:
        path, at, region = text.partition("@")
        parts = path.split("/")
        if len(parts) not in self.depths or (at and len(parts) != 3) or not all(parts) or (at and not region):
            raise InvalidInput(f"{quoted(text)} is not a valid address here", f"write {self.form}")
        checked = [GalleryName().parse(parts[0]), *(DefinitionName().parse(part) for part in parts[1:2])]
        if len(parts) == 3:
            checked.append("latest" if self.latest and parts[2] == "latest" else VersionName().parse(parts[2]))
        gallery, definition, version = (*checked, "", "")[:3]
        return Address(gallery, definition, version, RegionName().parse(region) if region else "")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "description": self.form}


@dataclass(frozen=True)
class FeatureName(Scalar):
    """The name of a feature that the service knows, in any case."""

    def parse(self, text: str) -> str:
        known = {name.lower(): name for name in FEATURES} | {"diskcontrollertype": "DiskControllerTypes"}
        if text.lower() not in known:
            raise InvalidInput(f"{quoted(text)} is not a known feature", suggestion(text, FEATURES))
        return known[text.lower()]

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(FEATURES)}, {"type": "string"}]}


FEATURES: dict[str, Choice] = {
    "SecurityType": Choice(
        "Standard",
        "TrustedLaunchSupported",
        "TrustedLaunch",
        "ConfidentialVmSupported",
        "ConfidentialVM",
        "TrustedLaunchAndConfidentialVmSupported",
    ),
    "IsHibernateSupported": Choice("True", "False"),
    "IsAcceleratedNetworkSupported": Choice("True", "False"),
    "DiskControllerTypes": Choice("SCSI", "NVMe", "SCSI, NVMe"),
}
"""The features of an image definition and the values of each.

Source: the Compute Gallery documentation on image definitions; the service spells both controllers `SCSI, NVMe`.
"""


def _either_case(char: str) -> str:
    return f"[{char.upper()}{char.lower()}]" if char.isalpha() else re.escape(char)

"""Reads request bodies: typed members of JSON objects. Null counts as absent, and every refusal names the property."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.providers.emulator.core.arm import ArmError, Body, invalid

_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object and its name in refusals, such as `galleryImage.properties`."""

    values: Mapping[str, Any]
    target: str

    @classmethod
    def of(cls, value: Any, target: str) -> Fields:
        """Raises: ArmError unless it is an object."""
        if not isinstance(value, Mapping):
            raise invalid(target, f"Required parameter '{target}' is missing or is not an object.")
        return cls(value, target)

    def path(self, name: str) -> str:
        return f"{self.target}.{name}"

    def refuse(self, name: str, why: str) -> ArmError:
        return invalid(self.path(name), why)

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def object(self, name: str) -> Fields:
        """A member that is an object; an empty one when it is absent."""
        value = self.values.get(name)
        return Fields({} if value is None else Fields.of(value, self.path(name)).values, self.path(name))

    def objects(self, name: str) -> list[Fields]:
        """A member that is a list of objects; an empty list when it is absent."""
        return [Fields.of(entry, f"{self.path(name)}[{index}]") for index, entry in enumerate(self._list(name))]

    def texts(self, name: str) -> list[str]:
        entries = self._list(name)
        if not all(isinstance(entry, str) for entry in entries):
            raise self.refuse(name, f"The values of '{self.path(name)}' must be strings.")
        return list(entries)

    def _list(self, name: str) -> Sequence[Any]:
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.refuse(name, f"The value of '{self.path(name)}' must be a list.")
        return value

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self.values.get(name)
        if value is None or value == "":
            if required:
                raise self.refuse(name, f"Required parameter '{self.path(name)}' is missing (null).")
            return None if value is None else ""
        if not isinstance(value, str):
            raise self.refuse(name, f"The value of '{self.path(name)}' must be a string.")
        return value

    def choice(self, name: str, choices: Sequence[str], *, required: bool = False) -> str | None:
        """One of `choices`, in the service's spelling whatever its case was; None when it is absent or empty."""
        value = self.text(name, required=required)
        if not value:
            return None
        for choice in choices:
            if choice.lower() == value.lower():
                return choice
        allowed = ", ".join(choices)
        raise self.refuse(
            name, f"The value '{value}' of parameter '{self.path(name)}' is invalid. Allowed are: {allowed}."
        )

    def whole(self, name: str, least: int = -_INT32 - 1, most: int = _INT32) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.refuse(
                name, f"The value '{value}' of parameter '{self.path(name)}' is out of range: {least} to {most}."
            )
        return value

    def flag(self, name: str) -> bool | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(name, f"The value of '{self.path(name)}' must be true or false.")
        return value

    def moment(self, name: str) -> str | None:
        """A date-time as the service returns it: with an offset, and without a fraction of zero."""
        value = self.text(name)
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
        except (ValueError, OverflowError) as error:
            raise self.refuse(name, f"The value '{value}' of '{self.path(name)}' is not a date-time.") from error

    def tags(self) -> dict[str, str] | None:
        """Resource tags; None when they are absent. Source: Resource Manager, limits of tags."""
        given = self.values.get("tags")
        if given is None:
            return None
        tags = Fields.of(given, self.path("tags")).values
        if len(tags) > _MOST_TAGS:
            raise self.refuse("tags", f"Too many tags: {len(tags)}; a resource can have {_MOST_TAGS}.")
        seen = set()
        for name, value in tags.items():
            if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
                raise self.refuse("tags", f"The value of tag '{name}' must be a string of {_LONGEST_VALUE} characters.")
            if not name or len(name) > _LONGEST_NAME or _NOT_IN_TAGS.search(name) or name.lower() in seen:
                raise ArmError(400, "InvalidTagName", f"The tag name '{name}' is not allowed, or is there twice.")
            seen.add(name.lower())
        return dict(tags)


_MOST_TAGS = 50
_LONGEST_NAME = 512
_LONGEST_VALUE = 256
_NOT_IN_TAGS = re.compile(r"[<>%&\\?/]")


def without_nones(**members: Any) -> Body:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}

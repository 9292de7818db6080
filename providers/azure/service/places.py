"""The identity of the place behind all regions of a provider: a resource group of one subscription, of one service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.providers.azure.configuration import Configuration

_IDENTITY = re.compile(
    r"(?P<service>.+)/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Place:
    """A resource group. `service` is the endpoint; for an emulator, which may move to another port, it says which one
    it is. Azure compares the other names without regard to case, and so they are in lower case."""

    service: str
    subscription: str
    group: str

    @property
    def identity(self) -> str:
        return f"{self.service}/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @classmethod
    def parse(cls, identity: str) -> Place:
        """The place with a recorded identity."""
        match = _IDENTITY.fullmatch(identity)
        return cls(**match.groupdict()) if match else cls(identity, "", "")


def place_of(settings: Configuration, emulator: str) -> Place:
    """The place of these settings; `emulator` is the id of the emulator that answers, empty for other services."""
    service = f"emulator {emulator}" if emulator else settings.endpoint
    return Place(service, settings.subscription.lower(), settings.resource_group.lower())


def why_unknown(recorded: Mapping[str, str], present: Place) -> str:
    """Why nothing is known of objects that are recorded in other places than the present one; empty if there are none.
    `recorded` maps regions to identities."""
    others = {Place.parse(identity) for identity in recorded.values()} - {present}
    if not others:
        return ""
    other = min(others, key=lambda place: place.identity)
    return (
        f"the provider's {_difference(other, present)}: the objects are recorded in {other.identity}, and not in "
        f"{present.identity}; correct the provider in the project file, or use another state for what is there"
    )


def _difference(recorded: Place, present: Place) -> str:
    names = {"service": "endpoint", "subscription": "subscription", "group": "resource group"}
    if present.service.startswith("emulator ") and recorded.service.startswith("emulator "):
        names["service"] = "emulator, or the folder with its data,"
    changed = [word for name, word in names.items() if getattr(recorded, name) != getattr(present, name)]
    return f"{' and '.join(changed)} {'is another one' if len(changed) == 1 else 'are other ones'} now"

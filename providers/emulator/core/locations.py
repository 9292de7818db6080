"""Azure's public regions: their names, and which of them have availability zones.

Source: Azure's list of regions, and its list of regions with availability zones.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.manifests.regions import canonical_region


@dataclass(frozen=True, slots=True)
class Location:
    """One region: its canonical name, its name in answers, its geography, and whether it has availability zones."""

    name: str
    display_name: str
    geography: str
    zones: bool


_ZONED = {
    "Africa": ("South Africa North",),
    "Asia Pacific": (
        "Australia East",
        "Central India",
        "East Asia",
        "Indonesia Central",
        "Japan East",
        "Japan West",
        "Korea Central",
        "Malaysia West",
        "New Zealand North",
        "Southeast Asia",
    ),
    "Canada": ("Canada Central",),
    "Europe": (
        "Austria East",
        "Belgium Central",
        "France Central",
        "Germany West Central",
        "Italy North",
        "North Europe",
        "Norway East",
        "Poland Central",
        "Spain Central",
        "Sweden Central",
        "Switzerland North",
        "UK South",
        "West Europe",
    ),
    "Mexico": ("Mexico Central",),
    "Middle East": ("Israel Central", "Qatar Central", "UAE North"),
    "South America": ("Brazil South", "Chile Central"),
    "US": ("Central US", "East US", "East US 2", "South Central US", "West US 2", "West US 3"),
}
_PLAIN = {
    "Africa": ("South Africa West",),
    "Asia Pacific": (
        "Australia Central",
        "Australia Central 2",
        "Australia Southeast",
        "Jio India Central",
        "Jio India West",
        "Korea South",
        "South India",
        "West India",
    ),
    "Canada": ("Canada East",),
    "Europe": ("France South", "Germany North", "Norway West", "Sweden South", "Switzerland West", "UK West"),
    "Middle East": ("UAE Central",),
    "South America": ("Brazil Southeast",),
    "US": ("North Central US", "West Central US", "West US"),
}

LOCATIONS = {
    location.name: location
    for location in sorted(
        (
            Location(canonical_region(display), display, geography, zones)
            for zones, table in ((True, _ZONED), (False, _PLAIN))
            for geography, displays in table.items()
            for display in displays
        ),
        key=lambda location: location.name,
    )
}
"""Canonical name -> region, sorted by name."""


def find(text: str) -> Location | None:
    """The region that a string names in any spelling; None when there is no such region."""
    try:
        return LOCATIONS.get(canonical_region(text))
    except ValueError:
        return None


def display_name(canonical: str) -> str:
    """The name of a region in answers: `eastus2` is `East US 2`. Raises: KeyError for a name that is not canonical."""
    return LOCATIONS[canonical].display_name

"""`Desired`: what the rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.manifests.declarations.declared import Declarations
from reconciler.manifests.declarations.inheritance import DesiredVersion
from reconciler.manifests.project import Project


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything declared. `versions` are those whose definition and gallery are declared and without problems."""

    project: Project
    declarations: Declarations
    versions: Mapping[Address, DesiredVersion]

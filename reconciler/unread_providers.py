"""`UnreadProvider`: stands for a provider in the plan of a stranger's project, which asks no backend anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import resolved_inside
from reconciler.manifests.values import Attributes
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError, Unavailable, Unsupported
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.protocol import Capabilities, Observed, ProgressCallback, Scan, Scope, SourceFacts

NOT_READ = ("the objects", "what the providers support", "sources that are not files of the project")
"""What such a plan does not look at, as its output says it."""

_EVERYTHING = Capabilities(
    regions=None,
    sources=frozenset({"file", "machine", "url", "version", "vhd"}),
    sharing=frozenset({"Private", "Groups", "Community"}),
    replication_modes=frozenset({"Full", "Shallow"}),
    encryption=True,
)


class UnreadProvider:
    """A `Reader` that knows only the image files in a project's folder, and is said to support everything."""

    def __init__(self, project: Path) -> None:
        self._project = project.absolute()
        self._files = FileSources(str(self._project))

    def capabilities(self) -> Capabilities:
        return _EVERYTHING

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:  # noqa: ARG002 - nothing is read
        return Scan(unreachable=dict.fromkeys(scope.wanted, _UNTRUSTED))

    def read(self, address: Address) -> Observed | None:
        raise Unavailable(f"{address}: {_UNTRUSTED}")

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._files.identity(source) if self._is_file_of_project(source) else ""

    def source_facts(
        self,
        source: Mapping[str, Any],
        definition: Attributes | None = None,  # noqa: ARG002 - whether it fits is up to a provider
    ) -> SourceFacts:
        return self._files.facts(source) if self._is_file_of_project(source) else SourceFacts(0, 0, "", "")

    def source_digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None, *, plain: bool = False
    ) -> ContentDigest:
        if not self._is_file_of_project(source):
            raise Unsupported(_UNTRUSTED)
        return self._files.digest(source, progress, plain=plain)

    def _is_file_of_project(self, source: Mapping[str, Any]) -> bool:
        """Raises: SourceError for a file outside of the project."""
        if "file" not in source:
            return False
        try:
            resolved_inside(self._project / str(source["file"]), (str(self._project.resolve()),))
        except InvalidInput as outside:
            raise SourceError(outside.summary, "move it into the project") from outside
        return True


_UNTRUSTED = "not read: the project is not trusted"

"""`CORPUS`: every hostile project."""

from __future__ import annotations

from hostile.kinds.addresses import DATABASES, DOWNLOADS, ENDPOINTS, IDS, LIBVIRT, STATES
from hostile.kinds.dot_folder import CACHES, DOT_FOLDER
from hostile.kinds.images import IMAGES
from hostile.kinds.outside import DEVICES, FILES, GLOBS, LINKS, SOURCES
from hostile.kinds.programs import PROGRAMS, PROJECT_FILES
from hostile.kinds.texts import OVERSIZED, TEXTS
from hostile.scene import Build, Hostile

KINDS: dict[str, dict[str, Build]] = {
    "files outside": FILES,
    "globs": GLOBS,
    "links": LINKS,
    "sources outside": SOURCES,
    "pipes and devices": DEVICES,
    "project files": PROJECT_FILES,
    "states": STATES,
    "databases": DATABASES,
    "libvirt": LIBVIRT,
    "endpoints": ENDPOINTS,
    "ids": IDS,
    "downloads": DOWNLOADS,
    "programs": PROGRAMS,
    "the folder .reconciler": DOT_FOLDER,
    "caches": CACHES,
    "images": IMAGES,
    "texts": TEXTS,
    "oversized": OVERSIZED,
}

CORPUS = tuple(Hostile(kind, tries, build) for kind, projects in KINDS.items() for tries, build in projects.items())

COMMANDS: dict[str, tuple[str, ...]] = {
    "validate": ("validate",),
    "plan": ("plan",),
    "untrusted": ("plan", "--untrusted"),
    "drift": ("drift",),
    "show": ("show",),
    "graph": ("graph",),
    "latest": ("latest", "corp/web"),
}
"""The commands that only read, as strangers' projects are looked at."""

"""The rules between documents. Each is a function in a list; all of them run, and all faults are told together."""

from manifests.validation.check import check
from manifests.validation.world import Desired

__all__ = ["Desired", "check"]

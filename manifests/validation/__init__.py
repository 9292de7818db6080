"""The rules between documents. Each is a function in a list; all of them run, and all problems are told together."""

from reconciler.manifests.validation.check import check
from reconciler.manifests.validation.desired import Desired

__all__ = ["Desired", "check"]

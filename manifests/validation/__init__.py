"""The rules between documents. Each is a function in a list; all of them run, and all problems are reported at once."""

from reconciler.manifests.validation.check import check

__all__ = ["check"]

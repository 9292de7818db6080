"""YAML in, `Manifest` out. The only place that knows the YAML library."""

from manifests.loading.load import load_documents, load_manifest

__all__ = ["load_documents", "load_manifest"]

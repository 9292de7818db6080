"""The discs that tell machines who they are, read as another program would."""

from __future__ import annotations

import io

import pycdlib


def read_seed(content: bytes, name: str) -> str:
    """A file of the disc by its name in Rock Ridge, which Linux shows."""
    image, found = pycdlib.PyCdlib(), io.BytesIO()
    image.open_fp(io.BytesIO(content))
    try:
        image.get_file_from_iso_fp(found, rr_path=f"/{name}")
    finally:
        image.close()
    return found.getvalue().decode()

"""Compressed disk images: recognised by content, looked into by plans, unpacked as bounded streams by apply."""

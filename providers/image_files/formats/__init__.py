"""The formats of disk images, one module each: what is accepted, and why everything else is refused."""

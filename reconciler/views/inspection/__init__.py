"""An inspected image, for people and for programs."""

"""Which bytes of an image a guest sees at a place of its disk: for looking at a few of them, not for conversion."""

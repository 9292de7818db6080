"""The kinds of document people write: one file each, strict, with the rule of change beside every attribute."""

"""The kinds of document: one file each, strict, with the rule of change beside every attribute."""

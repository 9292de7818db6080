"""The rules about several kinds of document at once: modules that end with `RULES`; all of them always run."""

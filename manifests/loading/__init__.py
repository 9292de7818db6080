"""From files to a `Project` and its `Manifest`, and the cache of both."""

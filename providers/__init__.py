"""How worlds are reached: the protocol that a backend fulfils, and a folder for each backend."""

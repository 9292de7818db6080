"""A jail for programs that read what strangers made: open descriptors in, open descriptors out, and nothing else.

`running.run` starts a program in it, `running.start` does so while something else goes on, and `walls.walls` says what
holds on this kernel.
"""

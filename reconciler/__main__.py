"""`python -m reconciler`: the command line."""

from reconciler.cli.app import main

main()

"""The command line: parse, call the engine, hand the value to a view, exit code. The only door to typer."""

"""Lines, colours, units and waiting, as a terminal or a log shows them."""

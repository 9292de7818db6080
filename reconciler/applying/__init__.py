"""From a plan to its effects: operations in order, each journaled before it is started."""

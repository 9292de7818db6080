"""The graph of resources, in languages for drawing graphs."""

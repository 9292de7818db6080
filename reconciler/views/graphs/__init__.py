"""The graph of resources, in the languages of graph drawing."""

"""How values look to people and to programs. Nothing here decides, or reads the world."""

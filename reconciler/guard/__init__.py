"""What a command that only reads may do in its process: a wall behind the rules that other rooms keep."""

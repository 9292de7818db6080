"""What is wrong with a plan: things that cannot be done, and names that are taken."""

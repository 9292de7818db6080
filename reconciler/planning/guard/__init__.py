"""What a plan does to those who use the images, and who consented to it."""

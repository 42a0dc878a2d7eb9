"""What is trained on images."""

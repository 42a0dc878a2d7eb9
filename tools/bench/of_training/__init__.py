"""What the training loop keeps and costs."""

"""What the core shows: closed forms, adversarial losses, solvers, cost."""

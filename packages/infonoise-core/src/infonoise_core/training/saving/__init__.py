"""How the tensors of a checkpoint come to disk, from one process or all, and back."""

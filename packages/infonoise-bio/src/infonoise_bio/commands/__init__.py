"""The verbs of the command line, one module for each or for two that belong together."""

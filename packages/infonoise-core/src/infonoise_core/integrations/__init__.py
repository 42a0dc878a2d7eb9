"""Adapters for libraries that need one; each module imports the library it is named after."""

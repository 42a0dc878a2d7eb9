"""Images that lie in files, whoever made them, measured against real ones."""

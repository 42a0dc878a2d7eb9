"""The verbs that every domain's command has."""

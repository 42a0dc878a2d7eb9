"""The `infonoise` command."""

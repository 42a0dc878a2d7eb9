"""The verbs of `infonoise-vision`."""

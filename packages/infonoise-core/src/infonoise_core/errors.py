"""The one exception that is meant for people."""


class InputError(ValueError):
    """A mistake in what the user gave.

    Its message is one line: what is wrong, where, and the fix.
    """


class ReportedError(InputError):
    """The same mistake, where another process of the run already tells it: this one only ends."""

"""The one error of the local stack that a person is shown: its message says what to do."""


class LocalError(Exception):
    """Something outside this program is not as it must be; no traceback helps with it."""

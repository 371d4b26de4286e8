"""The one exception that a user is meant to read."""


class VestigeError(Exception):
    """A mistake that the user can mend.

    The message names the file, row or option, says what was expected there and how to mend it.
    The command line prints it without a traceback and exits with status 2.
    """

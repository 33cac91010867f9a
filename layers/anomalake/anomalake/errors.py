"""The base class of every error that a user of anomalake can meet."""


class AnomalakeError(Exception):
    """An error with a message of one line: what is wrong, where, and what was expected.

    Errors that come from the call itself (an invalid value, file or option) are also `ValueError`; the command exits
    with 2 for those and with 1 for all others.
    """

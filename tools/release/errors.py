"""What stops a release."""


class ReleaseError(Exception):
    """A release that can't go on; the message says in one line what to do."""

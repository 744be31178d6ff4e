"""The one error a user is meant to read."""


class UserError(ValueError):
    """A mistake the user can mend, told in one sentence."""

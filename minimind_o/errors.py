"""The one error a user is meant to read."""


class UserError(ValueError):
    """A mistake the user can mend, told in one sentence."""


def first_line(error: BaseException) -> str:
    """What a library's error says, short enough for one sentence."""
    return (str(error) or type(error).__name__).splitlines()[0]

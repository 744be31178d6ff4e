"""What a chapter claims of weights that were trained, and does not of random ones."""

from minimind_o.assets import Assets


def learned(assets: Assets, is_so: bool, what: str) -> None:
    """Say that it is so. Where it is not, trained weights have failed the claim.

    Weights that are random by their own account (`Assets.is_random`) have learned
    nothing: with them it is said whether it is so, and nothing follows.

    Args:
        assets: whose weights they are.
        is_so: whether the claim holds.
        what: the claim.

    Raises:
        AssertionError: the weights were trained, and it is not so.
    """
    if assets.is_random:
        print(f"random weights, nothing learned: {what}? {'yes' if is_so else 'no'}")
        return
    assert is_so, f"not so: {what}"
    print(f"ok: {what}")

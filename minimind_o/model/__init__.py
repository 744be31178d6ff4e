"""The model: Thinker, bridge and Talker (arXiv 2605.03937, section 3)."""

from minimind_o.model.omni import OmniModel, OmniOutput

__all__ = ["OmniModel", "OmniOutput"]

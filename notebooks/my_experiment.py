"""Does the Talker need the gate of its feed-forward networks?

A SwiGLU multiplies two maps of its input: one of them, the gate, opens and
closes the other. Here the gate is taken out of the Talker's four blocks; what
is left is an ordinary feed-forward network with a third fewer parameters.

This file is the template of the final project (chapter 14): copy it, and change
everything.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from minimind_o.ablations.closed_world import choose, write_world
from minimind_o.ablations.experiment import (
    Experiment,
    Measures,
    Prediction,
    Setting,
    Trained,
)
from minimind_o.ablations.measures import cases_of, consistency
from minimind_o.model import OmniModel
from minimind_o.model.blocks import FeedForward

NUM_ANSWERS = 24


class WithoutGate(nn.Module):
    """down(silu(up(x))), with the weights of a SwiGLU."""

    def __init__(self, original: FeedForward) -> None:
        super().__init__()
        self.up_proj = original.up_proj
        self.down_proj = original.down_proj

    def forward(self, x: Tensor) -> Tensor:
        """Transform every position by itself."""
        return self.down_proj(F.silu(self.up_proj(x)))


def take_out_gates(model: OmniModel) -> None:
    """The component that is swapped."""
    for block in model.talker.layers:
        block.feed_forward = WithoutGate(block.feed_forward)


def measure(run: Trained) -> Measures:
    """At the end of a run; the losses are measured in any case.

    `consistency` keeps a few of the answers to be heard.
    """
    return consistency(run, choose(cases_of(run), NUM_ANSWERS))


EXPERIMENT = Experiment(
    name="my_experiment",
    question="Does the Talker need the gate of its feed-forward networks?",
    settings=(
        Setting(name="gate", what="SwiGLU, as released"),
        Setting(name="no_gate", what="no gate", swap=take_out_gates),
    ),
    prediction=Prediction(
        measure="audio_loss",
        setting="no_gate",
        baseline="gate",
        direction="higher",
        margin=0.02,
    ),
    world=write_world,
    world_name="one_voice",
    measure=measure,
)

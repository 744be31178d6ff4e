"""From the frozen encoders' states to positions of the Thinker.

Shapes: B batch, T position, L encoder frame, E encoder width, D Thinker width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_o.errors import UserError


class Projector(nn.Module):
    """LayerNorm, Linear, GELU, Linear."""

    def __init__(self, encoder_width: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(encoder_width)
        self.input_proj = nn.Linear(encoder_width, width)
        self.output_proj = nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Project (..., E) to (..., D)."""
        return self.output_proj(F.gelu(self.input_proj(self.norm(states))))

    def of_nothing(self) -> Tensor:
        """A zero that hangs on every parameter."""
        width = self.input_proj.in_features
        return self(self.input_proj.weight.new_zeros(0, width)).sum()


def scatter_states(
    x_BTD: Tensor,
    is_placeholder_BT: Tensor,
    states_BLE: Tensor,
    lengths_B: Tensor,
    projector: Projector,
    kind: str,
) -> Tensor:
    """Put each row's projected states in the place of its placeholders, in order.

    Only the frames that are used are projected. `kind` ("speech", "image") is for the
    message.

    Raises:
        UserError: a row has more or fewer placeholders than states; names the row.
    """
    num_placeholders_B = is_placeholder_BT.sum(dim=1)
    wrong = (num_placeholders_B != lengths_B).nonzero()
    if wrong.numel():
        row = int(wrong[0, 0])
        raise UserError(
            f"Row {row} of the batch has {int(num_placeholders_B[row])} {kind} "
            f"placeholders but {int(lengths_B[row])} {kind} states; the two must be "
            "equal."
        )
    frames = torch.arange(states_BLE.shape[1], device=states_BLE.device)
    used_ND = projector(states_BLE[frames < lengths_B[:, None]])
    # index_put in row-major order: the mask's true cells and the used frames come in
    # the same order, row by row.
    rows, positions = is_placeholder_BT.nonzero(as_tuple=True)
    return x_BTD.index_put((rows, positions), used_ND.to(x_BTD.dtype))

"""Inside Mimi's quantiser: the vectors it rounds, the codebooks it rounds them to.

Mimi's quantiser is split (arXiv 2410.00037, section 3.3.1): codebook 0 rounds one
projection of the encoder's output, codebooks 1 and up round another, each of them what
the one before left over. The decoder gets the sum of both halves.

Shapes: B batch, Q codebook, T frame, N sample, D entry width, K entries of a codebook.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.frozen.mimi import Mimi


@torch.no_grad()
def latents(mimi: Mimi, wave_BN: Tensor) -> tuple[Tensor, Tensor]:
    """What the quantiser rounds, before rounding.

    Returns:
        The vectors (B, T, D) for codebook 0 and those for codebooks 1 and up.
    """
    encoded = mimi.model.encode_to_latent(wave_BN[:, None].float(), quantize=False)
    quantizer = mimi.model.quantizer
    first = quantizer.rvq_first.input_proj(encoded)
    rest = quantizer.rvq_rest.input_proj(encoded)
    return first.transpose(1, 2), rest.transpose(1, 2)


@torch.no_grad()
def entries(mimi: Mimi, codebook: int) -> Tensor:
    """The vectors (K, D) of one codebook.

    Raises:
        UserError: no such codebook.
    """
    _check(mimi, [codebook])
    quantizer = mimi.model.quantizer
    if codebook == 0:
        layer = quantizer.rvq_first.vq.layers[0]
    else:
        layer = quantizer.rvq_rest.vq.layers[codebook - 1]
    vectors: Tensor = layer.embedding
    return vectors.clone()


def round_off(vectors_TD: Tensor, books_QKD: Tensor) -> Tensor:
    """Codes (Q, T): each codebook rounds what the ones before it left over.

    Residual vector quantisation (arXiv 2107.03312, section III.C, algorithm 1).
    """
    left_over_TD = vectors_TD.clone()
    codes = []
    for book_KD in books_QKD:
        code_T = torch.cdist(left_over_TD, book_KD).argmin(dim=-1)
        left_over_TD = left_over_TD - book_KD[code_T]
        codes.append(code_T)
    return torch.stack(codes)


@torch.no_grad()
def decode_kept(mimi: Mimi, codes_BQT: Tensor, kept: Iterable[int]) -> Tensor:
    """Decode with only some codebooks; the others add nothing to the sum.

    Args:
        mimi: the codec.
        codes_BQT: all codes.
        kept: the codebooks that are heard.

    Returns:
        Waves (B, T · frame_size).

    Raises:
        UserError: no such codebook.
    """
    kept = sorted(set(kept))
    _check(mimi, kept)
    model, quantizer = mimi.model, mimi.model.quantizer
    summed = []
    for half, books in (
        (quantizer.rvq_first, [q for q in kept if q == 0]),
        (quantizer.rvq_rest, [q for q in kept if q > 0]),
    ):
        batch_size, _, num_frames = codes_BQT.shape
        vectors_BTD = torch.zeros(
            (batch_size, num_frames, half.dimension), device=codes_BQT.device
        )
        for q in books:
            vectors_BTD = vectors_BTD + entries(mimi, q)[codes_BQT[:, q]]
        summed.append(half.output_proj(vectors_BTD.transpose(1, 2)))
    latent = model._to_encoder_framerate(summed[0] + summed[1])
    (latent,) = model.decoder_transformer(latent)
    wave: Tensor = model.decoder(latent)
    return wave[:, 0]


def _check(mimi: Mimi, codebooks: list[int]) -> None:
    for codebook in codebooks:
        if not 0 <= codebook < mimi.num_codebooks:
            raise UserError(
                f"codebook {codebook} does not exist: the codec has "
                f"0…{mimi.num_codebooks - 1}."
            )

"""The codec over many recordings at once.

Its small convolutions share cores badly, so every core gets a process of its own, and
batches are small and of similar length.
"""

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm.auto import tqdm

from minimind_o.frozen.mimi import Mimi, load_mimi

BATCH_SIZE = 4
Operation = Literal["encode", "recode"]

_mimi: Mimi | None = None
_operation: Operation = "encode"


def run_codec(
    mimi_directory: Path, waves: Sequence[np.ndarray], operation: Operation
) -> list[np.ndarray]:
    """Encode recordings, or send them through the codec and back.

    Args:
        mimi_directory: the codec.
        waves: float32 mono at the codec's rate, any lengths.
        operation: `encode` gives codes (Q, F) int16, whole frames; `recode` gives waves
            of the same lengths.
    """
    frame_size = load_mimi(mimi_directory).frame_size
    order = sorted(range(len(waves)), key=lambda i: len(waves[i]))
    chunks = [order[i : i + BATCH_SIZE] for i in range(0, len(order), BATCH_SIZE)]
    out: list[np.ndarray] = [np.zeros(0, np.float32)] * len(waves)
    context = multiprocessing.get_context("spawn")
    arguments = (mimi_directory, operation)
    with context.Pool(os.cpu_count(), _start_worker, arguments) as pool:
        batches = (_stack([waves[i] for i in rows], frame_size) for rows in chunks)
        results = zip(chunks, pool.imap(_run_chunk, batches, 8), strict=True)
        for rows, batch in tqdm(
            results, total=len(chunks), desc=f"{operation} speech", mininterval=5
        ):
            for row, result in zip(rows, batch, strict=True):
                size = len(waves[row])
                if operation == "encode":
                    size = -(-size // frame_size)
                out[row] = result[..., :size]
    return out


def _stack(waves: Sequence[np.ndarray], frame_size: int) -> np.ndarray:
    size = -(-max(map(len, waves)) // frame_size) * frame_size
    return np.stack([np.pad(wave, (0, size - len(wave))) for wave in waves])


def _start_worker(mimi_directory: Path, operation: Operation) -> None:
    global _mimi, _operation
    torch.set_num_threads(1)
    _mimi, _operation = load_mimi(mimi_directory), operation


def _run_chunk(waves: np.ndarray) -> np.ndarray:
    assert _mimi is not None
    codes = _mimi.encode(torch.from_numpy(waves))
    if _operation == "encode":
        return codes.numpy().astype(np.int16)
    return _mimi.decode(codes).numpy()

"""What a GPU does with the released-size model: training, and decoding as one graph.

    python benchmarks/speed_gpu.py --record

bf16. Training: padded positions a second and the share of the card's arithmetic that
the model uses (MFU: 6 operations for each weight and position, and attention's), with
and without `torch.compile`. Decoding: milliseconds a step at batch 1, from Python and
as a CUDA graph. `--device cpu --small` only shows that the script runs.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from speed import SMALL

from minimind_o import figures
from minimind_o.config import OmniConfig
from minimind_o.generation.fixed_step import FixedStep
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import Processes
from minimind_o.training.recipe import MODES, TrainingRecipe
from minimind_o.training.trainer import Batch, Trainer

PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L4": 121, "4090": 165}
"""Dense bf16, of the makers' data sheets; --peak-tflops for another card."""
LENGTH, PROMPT, STEPS = 512, 64, 200
COMMAND = "python benchmarks/speed_gpu.py --record"


def random_batch(config: OmniConfig, rows: int, device: torch.device) -> Batch:
    """Full rows, a label everywhere."""
    ids = torch.randint(0, config.num_codes, (rows, 9, LENGTH), device=device)
    ids[:, -1] = torch.randint(40, config.vocab_size, (rows, LENGTH), device=device)
    return {
        "input_ids": ids,
        "text_labels": ids[:, -1],
        "audio_labels": ids[:, :-1],
    }


def operations(model: OmniModel) -> float:
    """Floating-point operations of one position, forward and backward."""
    config = model.config
    tables = (
        model.talker.code_embedding,
        model.audio_projector,
        model.image_projector,
    )
    unused = sum(p.numel() for module in tables for p in module.parameters())
    weights = model.num_parameters().active - unused
    widths = (
        config.num_hidden_layers * config.hidden_size
        + config.num_talker_hidden_layers * config.talker_hidden_size
    )
    return 6 * weights + 6 * widths * LENGTH  # causal: half the positions on average


def positions_a_second(
    config: OmniConfig, device: torch.device, rows: int, *, compiled: bool
) -> tuple[float, float]:
    """Padded positions, and operations, a second."""
    recipe = TrainingRecipe(
        stage="speed", learning=MODES["all"], precision="bf16", compile=compiled
    )
    alone = Processes(rank=0, world_size=1, device=device)
    with TemporaryDirectory() as work:
        trainer = Trainer(OmniModel(config), recipe, Path(work), alone, tokenizer="")
        trainer.model.train()
        batch = random_batch(config, rows, device)
        seconds = timed(lambda: trainer.step([batch]), device, warm_up=3, times=10)
    rate = rows * LENGTH / seconds
    return rate, rate * operations(trainer.model)


@torch.inference_mode()
def decoding_ms(config: OmniConfig, device: torch.device, *, graph: bool) -> float:
    """A step at batch 1, nothing drawn."""
    model = OmniModel(config).to(device, torch.bfloat16).eval()
    cache = model.new_cache(1, PROMPT + 2 * STEPS)
    ids = random_batch(config, 1, device)["input_ids"]
    model.step(ids[..., :PROMPT], cache)
    column = ids[..., :1].clone()
    step: Callable[[], object]
    if graph:
        fixed = FixedStep(model, cache)
        step = lambda: fixed(column)  # noqa: E731
    else:
        step = lambda: model.step(column, cache)  # noqa: E731
    return 1000 * timed(step, device, warm_up=10, times=STEPS)


def timed(
    call: Callable[[], object], device: torch.device, *, warm_up: int, times: int
) -> float:
    """Seconds of one call, the mean of several."""
    for _ in range(warm_up):
        call()
    synchronise(device)
    started = time.perf_counter()
    for _ in range(times):
        call()
    synchronise(device)
    return (time.perf_counter() - started) / times


def synchronise(device: torch.device) -> None:
    """Wait for what the GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_of(device: torch.device) -> float | None:
    """Operations a second that the card is sold with; None: not known."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    known = [tflops for card, tflops in PEAK_TFLOPS.items() if card in name]
    return known[0] * 1e12 if known else None


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="only try the script")
    parser.add_argument("--rows", type=int, default=64, help="in a training batch")
    parser.add_argument("--peak-tflops", type=float)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    config = OmniConfig(**(SMALL if arguments.small else {}))
    rows = 2 if arguments.small else arguments.rows
    peak = peak_of(device)
    if arguments.peak_tflops:
        peak = arguments.peak_tflops * 1e12
    lines = ["| what | | unit |", "|---|---|---|"]
    mfu, graphed = 0.0, 0.0
    for compiled in (False, True):
        rate, used = positions_a_second(config, device, rows, compiled=compiled)
        how = "compiled" if compiled else "as written"
        lines.append(f"| training, {how} | {rate:,.0f} | positions/s |")
        if peak:
            mfu = max(mfu, used / peak)
            lines.append(
                f"| MFU, {how} | {used / peak:.3f} | of {peak / 1e12:.0f} TF |"
            )
    for graph in (False, True):
        graphed = decoding_ms(config, device, graph=graph)
        how = "CUDA graph" if graph else "from Python"
        lines.append(f"| decoding, {how} | {graphed:.2f} | ms/step |")
    print("\n".join(lines))
    if arguments.record and device.type == "cuda":
        machine = torch.cuda.get_device_name(device)
        note = f"{rows} rows of {LENGTH}"
        figures.record(
            "gpu_training_mfu", mfu, command=COMMAND, note=note, machine=machine
        )
        figures.record("gpu_decode_ms", graphed, command=COMMAND, machine=machine)


if __name__ == "__main__":
    main()

"""Count the tensors that do not come back from a released file as they went.

    python benchmarks/roundtrip.py --record

The nano model and models of the released size with random weights, dense and MoE, each
in fp32, bf16 and fp16: from our directory into each format and back into our directory,
whole models and language models. A tensor counts as mismatched where its name, dtype,
shape or a single bit differs, in the file or in the whole model that is loaded from it;
the text head in a `.pth` counts as a tensor. The `.pth` of the released size is read
without a config.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.config import EXPORT_FORMATS, ExportFormat, OmniConfig
from minimind_o.model import OmniModel, names
from minimind_o.model.checkpoints import config_beside, read_checkpoint
from minimind_o.model.export import DTYPES, export

COMMAND = "python benchmarks/roundtrip.py --record"


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Bit for bit, so that a NaN equals itself and 0 is not -0."""
    if a is None or b is None or a.dtype != b.dtype or a.shape != b.shape:
        return False
    as_integers = {2: torch.int16, 4: torch.int32}[a.element_size()]
    return torch.equal(a.view(as_integers), b.view(as_integers))


def mismatches(before: dict[str, Tensor], after: dict[str, Tensor]) -> int:
    """How many names do not hold the same in both."""
    every = before.keys() | after.keys()
    return sum(not same(before.get(name), after.get(name)) for name in every)


def there_and_back(
    source: Path, export_format: ExportFormat, work: Path
) -> tuple[int, int]:
    """Mismatching tensors and tensors of one model through one format."""
    suffix = ".pth" if export_format == "released-pth" else ""
    there, back = work / f"there{suffix}", work / "back"
    export(source, there, export_format, dtype="keep", force=True)
    export(there, back, "safetensors", dtype="keep", force=True)
    before = load_file(source / "model.safetensors")
    num_mismatched = mismatches(before, load_file(back / "model.safetensors"))
    checkpoint = read_checkpoint(there)
    stored = dict(checkpoint.tensors)
    num_tensors = len(before)
    if export_format == "released-pth":
        num_tensors += 1
        head = stored.pop(names.TIED_HEAD, None)
        num_mismatched += not same(head, before[names.TEXT_EMBEDDING])
    num_mismatched += mismatches(before, stored)
    if not checkpoint.is_language_model:
        dtype = before[names.TEXT_EMBEDDING].dtype
        ours = OmniModel.from_pretrained(source, dtype).state_dict()
        theirs = OmniModel.from_pretrained(there, dtype).state_dict()
        num_mismatched += mismatches(ours, theirs)
    return num_mismatched, num_tensors


def measure(name: str, model: OmniModel, work: Path) -> tuple[int, int]:
    """All dtypes and formats of one model; prints a line for each dtype."""
    total, count = 0, 0
    for dtype_name, dtype in DTYPES.items():
        found = 0
        for part, save in (("omni", model.save), ("llm", model.save_thinker)):
            source = work / part
            save(source, dtype)
            for export_format in EXPORT_FORMATS:
                bad, num_tensors = there_and_back(source, export_format, work)
                found, count = found + bad, count + num_tensors
        print(f"{name}, {dtype_name}: {found} mismatches", flush=True)
        total += found
    if name.startswith("released") and config_beside(work / "there.pth").exists():
        raise SystemExit(f"the config of {name} is not derived from its shapes")
    return total, count


def main() -> None:
    """Measure four models, and record the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    total, count = 0, 0
    nano = OmniModel.from_pretrained(Assets.find().omni)
    configs = {
        f"{size} {kind}": OmniConfig(**{**config, "use_moe": kind == "MoE"})
        for size, config in (("nano", nano.config.to_dict()), ("released size", {}))
        for kind in ("dense", "MoE")
    }
    for name, config in configs.items():
        torch.manual_seed(0)
        model = nano if config == nano.config else OmniModel(config)
        with tempfile.TemporaryDirectory() as work:
            bad, num_tensors = measure(name, model, Path(work))
        total, count = total + bad, count + num_tensors
    print(f"{total} mismatches in {count} tensors")
    if arguments.record:
        figures.record(
            "roundtrip_mismatches",
            total,
            command=COMMAND,
            note=f"{', '.join(configs)}; {', '.join(DTYPES)}; "
            f"{', '.join(EXPORT_FORMATS)}; omni and language model: {count:,} tensors",
        )


if __name__ == "__main__":
    main()

"""Where the models, the codec and the data lie, and whether they are whole.

An asset folder has a config that says what it is, so nothing here asks whether the
assets are the small embedded ones or the released ones.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minimind_o.errors import UserError

NANO_ROOT = Path(__file__).resolve().parent.parent / "data" / "nano"
ENVIRONMENT_VARIABLE = "MINIMIND_O_ASSETS"

# The files that each asset folder must hold, in the order in which they are made.
FILES: Mapping[str, tuple[str, ...]] = {
    "tokenizer": ("tokenizer.json", "tokenizer_config.json"),
    "mimi": ("config.json", "model.safetensors"),
    "sensevoice": (
        "config.yaml",
        "configuration.json",
        "model.pt",
        "am.mvn",
        "bpe.model",
    ),
    "siglip2": ("config.json", "model.safetensors", "preprocessor_config.json"),
    "campplus": ("config.yaml", "configuration.json", "model.pt"),
    "voices": (),
    "sft_t2a": ("train.parquet", "validation.parquet", "test.parquet"),
    "sft_a2a": ("train.parquet", "validation.parquet", "test.parquet"),
    "sft_i2t": ("train.parquet", "validation.parquet", "test.parquet"),
    "examples": ("question.wav", "picture.png", "about_the_picture.wav"),
    "llm": ("config.json", "model.safetensors"),
    "omni": ("config.json", "model.safetensors"),
    "llm_moe": ("config.json", "model.safetensors"),
    "omni_moe": ("config.json", "model.safetensors"),
}
# What a folder may hold instead, under the names of the released files; `*` is any.
_MODEL_FILES = (
    ("config.json", "model.safetensors.index.json", "model-*.safetensors"),
    ("config.json", "pytorch_model.bin"),
    ("config.json", "pytorch_model.bin.index.json", "pytorch_model-*.bin"),
    ("*.pth",),
)
RELEASED_FILES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "mimi": (("tokenizer-e351c8d8-checkpoint125.safetensors",),),
    "sensevoice": (
        (
            "config.yaml",
            "configuration.json",
            "model.pt",
            "am.mvn",
            "chn_jpn_yue_eng_ko_spectok.bpe.model",
        ),
    ),
    "campplus": (("config.yaml", "configuration.json", "campplus_cn_common.bin"),),
    **dict.fromkeys(("llm", "omni", "llm_moe", "omni_moe"), _MODEL_FILES),
}
NOT_SHIPPED = frozenset({"llm_moe", "omni_moe"})
"""What the repository does not hold; `minimind-o nano` makes it."""


@dataclass(frozen=True)
class Assets:
    """One tree of assets; each property is a folder that was found whole."""

    root: Path

    @classmethod
    def find(cls, root: str | os.PathLike[str] | None = None) -> Assets:
        """The tree at `root`, else at $MINIMIND_O_ASSETS, else the embedded one.

        Raises:
            UserError: the folder does not exist.
        """
        named = root or os.environ.get(ENVIRONMENT_VARIABLE)
        folder = Path(named).expanduser() if named else NANO_ROOT
        if not folder.is_dir():
            raise UserError(
                f"the assets folder {folder} does not exist: name another with "
                f"--assets or {ENVIRONMENT_VARIABLE}, or make it with "
                "'minimind-o nano all'"
            )
        return cls(folder)

    def path(self, name: str) -> Path:
        """The folder of asset `name`, checked or not; for those who write it."""
        if name not in FILES:
            raise UserError(f"asset '{name}' is none of {', '.join(FILES)}")
        return self.root / name

    def checked(self, name: str) -> Path:
        """The folder of asset `name`, its files present and not cut short.

        Raises:
            UserError: a file is missing or damaged; says which, and what makes it.
        """
        folder = self.path(name)
        for file in _files(folder, name):
            problem = _problem(file)
            if problem:
                raise UserError(f"{file} {problem}: {_remedy(name)}")
        if not folder.is_dir():
            raise UserError(f"{folder} is missing: {_remedy(name)}")
        return folder

    @property
    def tokenizer(self) -> Path:
        """The tokenizer with its chat template."""
        return self.checked("tokenizer")

    @property
    def mimi(self) -> Path:
        """The speech codec."""
        return self.checked("mimi")

    @property
    def sensevoice(self) -> Path:
        """The speech encoder and, with its CTC head, the transcriber."""
        return self.checked("sensevoice")

    @property
    def siglip2(self) -> Path:
        """The vision encoder."""
        return self.checked("siglip2")

    @property
    def campplus(self) -> Path:
        """The speaker encoder."""
        return self.checked("campplus")

    @property
    def sft_a2a(self) -> Path:
        """The Parquet files with spoken questions: train, validation, test."""
        return self.checked("sft_a2a")

    @property
    def sft_i2t(self) -> Path:
        """The Parquet files with pictures: train, validation, test."""
        return self.checked("sft_i2t")

    @property
    def examples(self) -> Path:
        """A spoken question, a picture, and a spoken question about the picture."""
        return self.checked("examples")

    @property
    def llm(self) -> Path:
        """The language model that the omni model starts from."""
        return self.checked("llm")

    @property
    def omni(self) -> Path:
        """The trained Thinker and Talker."""
        return self.checked("omni")

    @property
    def llm_moe(self) -> Path:
        """The language model with experts that `omni_moe` starts from."""
        return self.checked("llm_moe")

    @property
    def omni_moe(self) -> Path:
        """The trained Thinker and Talker with experts."""
        return self.checked("omni_moe")

    @property
    def voices(self) -> Path:
        """The voice prompts, one JSON file a voice."""
        return self.checked("voices")

    @property
    def sft_t2a(self) -> Path:
        """The text-to-speech Parquet files: train, validation, test."""
        return self.checked("sft_t2a")


def _files(folder: Path, name: str) -> list[Path]:
    """The files to look at: the released ones where `FILES` are not all there."""
    ours = [folder / file_name for file_name in FILES[name]]
    if not all(file.is_file() for file in ours):
        for patterns in RELEASED_FILES.get(name, ()):
            found = [sorted(folder.glob(pattern)) for pattern in patterns]
            if all(found):
                return [file for files in found for file in files]
    return ours


def _remedy(name: str) -> str:
    """How to come by an asset, as half a sentence."""
    restore = "" if name in NOT_SHIPPED else "restore it from the repository, or "
    return f"{restore}make it with 'minimind-o nano {name}'"


def _problem(file: Path) -> str | None:
    """What is wrong with `file` as a half sentence, None where it looks whole.

    Reads headers only: a safetensors file says how long it must be, a zip archive
    (`model.pt`, `.pth`) keeps its directory and a Parquet file its magic at the end.
    """
    if not file.is_file():
        return "is missing"
    size = file.stat().st_size
    if size == 0:
        return "is empty"
    if file.suffix == ".safetensors":
        return _safetensors_problem(file, size)
    if file.suffix == ".json":
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"is not whole JSON ({error})"
    if file.suffix in (".pt", ".pth", ".bin") and not zipfile.is_zipfile(file):
        return "is truncated or not a PyTorch file"
    if file.suffix == ".parquet":
        with file.open("rb") as stream:
            start = stream.read(4)
            stream.seek(max(size - 4, 0))
            if start != b"PAR1" or stream.read(4) != b"PAR1" or size < 12:
                return "is truncated or not a Parquet file"
    return None


def _safetensors_problem(file: Path, size: int) -> str | None:
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if header_size > size - 8:
            return "is truncated or not a safetensors file"
        try:
            header = json.loads(stream.read(header_size))
            ends = [
                entry["data_offsets"][1]
                for name, entry in header.items()
                if name != "__metadata__"
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return "is not a safetensors file"
    expected = 8 + header_size + max(ends, default=0)
    if size != expected:
        return f"is truncated: {size} bytes of {expected}"
    return None

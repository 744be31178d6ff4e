"""Where the models, the codec and the data lie, and whether they are whole.

An asset folder has a config that says what it is, so nothing here asks whether the
assets are the small embedded ones or the released ones.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minimind_o.errors import UserError
from minimind_o.foreign_json import parse_json

NANO_ROOT = Path(__file__).resolve().parent.parent / "data" / "nano"
ENVIRONMENT_VARIABLE = "MINIMIND_O_ASSETS"
CACHE_VARIABLE = "MINIMIND_O_CACHE"
"""Names the folder in which the downloaded tree lies, `released`."""
RANDOM_MARK = "RANDOM_WEIGHTS.txt"
"""A file in a tree whose weights are random (`minimind_o.released.random_tree`)."""

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
    "tokenizer": (("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),),
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
    "sft_t2a": (("sft_t2a_mini.parquet",), ("sft_t2a.parquet",)),
    "sft_a2a": (("sft_a2a_mini.parquet",), ("sft_a2a.parquet",)),
    "sft_i2t": (("sft_i2t.parquet",),),
    **dict.fromkeys(("llm", "omni", "llm_moe", "omni_moe"), _MODEL_FILES),
}
"""What serves as well: the authors' files under their own names."""
NOT_SHIPPED = frozenset({"llm_moe"})
"""What the repository does not hold; `minimind-o nano` makes it."""


@dataclass(frozen=True)
class Assets:
    """One tree of assets; each property is a folder that was found whole."""

    root: Path

    @classmethod
    def find(cls, root: str | os.PathLike[str] | None = None) -> Assets:
        """The tree at `root`, else at $MINIMIND_O_ASSETS, else the embedded one.

        Where no such folder exists, `nano` and `released` name the embedded tree and
        the downloaded one.

        Raises:
            UserError: the folder does not exist.
        """
        named = root or os.environ.get(ENVIRONMENT_VARIABLE) or "nano"
        folder = Path(named).expanduser()
        if not folder.is_dir() and str(named) == "nano":
            folder = NANO_ROOT
        if not folder.is_dir() and str(named) == "released":
            folder = released_root()
            if not folder.is_dir():
                raise UserError(
                    f"there are no released assets in {folder}: get them with "
                    "'minimind-o download'"
                )
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
        problem = self.problem(name)
        if problem:
            raise UserError(f"{problem}: {_remedy(name)}")
        return self.path(name)

    def files(self, name: str) -> tuple[str, ...]:
        """The names that asset `name` has here: ours, or the released ones.

        Where neither are all there: those of which most are.
        """
        folder = self.path(name)

        def completeness(names: tuple[str, ...]) -> tuple[bool, int]:
            num_present = sum(any(folder.glob(file_name)) for file_name in names)
            return num_present == len(names), num_present

        names = max((FILES[name], *RELEASED_FILES.get(name, ())), key=completeness)
        return tuple(
            file.name
            for pattern in names
            for file in sorted(folder.glob(pattern)) or [folder / pattern]
        )

    def problem(self, name: str) -> str | None:
        """What asset `name` lacks, as half a sentence; None where it looks whole."""
        folder = self.path(name)
        for file_name in self.files(name):
            problem = file_problem(folder / file_name)
            if problem:
                return f"{folder / file_name} {problem}"
        return None if folder.is_dir() else f"{folder} is missing"

    @property
    def is_random(self) -> bool:
        """Whether the tree says of itself that its weights are random."""
        return (self.root / RANDOM_MARK).is_file()

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
        """A spoken question, a picture, and a spoken question about the picture.

        The embedded ones where the tree has none: any model may be asked them.
        """
        own = self.path("examples").is_dir()
        return (self if own else Assets(NANO_ROOT)).checked("examples")

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


def released_root() -> Path:
    """Where `minimind-o download` puts the released tree unless told otherwise."""
    cache = os.environ.get(CACHE_VARIABLE)
    if not cache:
        cache = f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/minimind-o"
    return Path(cache).expanduser() / "released"


def _remedy(name: str) -> str:
    """How to come by an asset, as half a sentence."""
    restore = "" if name in NOT_SHIPPED else "restore it from the repository, "
    return (
        f"{restore}make it with 'minimind-o nano {name}', or get the released one with "
        "'minimind-o download'"
    )


def file_problem(file: Path) -> str | None:
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
            parse_json(file.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"is not whole JSON ({error})"
    if file.suffix in (".pt", ".pth", ".bin") and not _is_archive(file):
        return "is truncated or not a PyTorch file"
    if file.suffix == ".parquet":
        with file.open("rb") as stream:
            start = stream.read(4)
            stream.seek(max(size - 4, 0))
            if start != b"PAR1" or stream.read(4) != b"PAR1" or size < 12:
                return "is truncated or not a Parquet file"
    return None


def _is_archive(file: Path) -> bool:
    try:
        return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # of some damage it says so in this way
        return False


def _safetensors_problem(file: Path, size: int) -> str | None:
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if header_size > size - 8:
            return "is truncated or not a safetensors file"
        try:
            header = parse_json(stream.read(header_size))
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

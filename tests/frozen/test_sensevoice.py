"""The speech encoder and transcriber: what it hears, and what it refuses to load."""

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
import yaml

from minimind_o.assets import Assets
from minimind_o.data.speech import SAMPLE_RATE, VOICES, render
from minimind_o.data.world import Language
from minimind_o.errors import UserError
from minimind_o.evaluation.error_rates import character_errors
from minimind_o.evaluation.normalise import normalise
from minimind_o.frozen.sensevoice import SenseVoice, load_sensevoice
from minimind_o.nano.sensevoice_directory import untrained_model, write_directory

SENTENCES: dict[Language, tuple[str, ...]] = {
    "en": (
        "The opposite of small is big.",
        "One plus two is three.",
        "A frog lives in a river.",
    ),
    "zh": ("天空是蓝色的。", "一加二等于三。", "猫喜欢吃鱼。"),
}


@pytest.fixture(scope="module")
def shipped() -> SenseVoice:
    """The committed recogniser."""
    return load_sensevoice(Assets.find().sensevoice)


def write_random(
    directory: Path, texts: Sequence[str], *, dtype: torch.dtype, **sizes: int
) -> None:
    """A recogniser with random weights in funasr's format."""
    write_directory(directory, texts, **sizes)
    torch.manual_seed(0)
    model = untrained_model(directory)
    torch.save(model.to(dtype).state_dict(), directory / "model.pt")


@pytest.fixture(scope="module")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser of one block."""
    directory = tmp_path_factory.mktemp("sensevoice")
    texts = ["one two three", "a red cat", "猫 很 大"]
    sizes = {"width": 16, "num_blocks": 1, "num_top_blocks": 1}
    write_random(directory, texts, dtype=torch.float32, **sizes)
    return directory


@pytest.fixture(scope="module")
def tiny(tiny_directory: Path) -> SenseVoice:
    """That recogniser, loaded."""
    return load_sensevoice(tiny_directory)


@pytest.fixture
def copy(tiny_directory: Path, tmp_path: Path) -> Path:
    """Its folder, to be damaged."""
    return Path(shutil.copytree(tiny_directory, tmp_path / "sensevoice"))


@functools.cache
def speech(
    language: Language = "en", number: int = 0, voice: str = "ada"
) -> np.ndarray:
    """(N,) at 24 kHz, the same recording every time."""
    espeak = {"en": "en-us", "zh": "cmn"}[language]
    return render(SENTENCES[language][number], espeak, VOICES[voice]).wave


def error_rate(
    texts: Sequence[str], heard: Sequence[str], language: Language = "en"
) -> float:
    """Characters wrong per character."""
    pairs = zip(texts, heard, strict=True)
    counts = [
        character_errors(normalise(a, language), normalise(b, language), language)
        for a, b in pairs
    ]
    return sum(c.errors for c in counts) / sum(c.length for c in counts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_spoken_sentences_are_transcribed(
    shipped: SenseVoice, language: Language
) -> None:
    for voice in ("ada", "ben", "frank"):
        waves = [speech(language, number, voice) for number in range(3)]
        heard = shipped.transcribe(waves, SAMPLE_RATE)
        assert error_rate(SENTENCES[language], heard, language) <= 0.1, heard


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_other_rates_and_stereo_are_heard_alike(shipped: SenseVoice, rate: int) -> None:
    originals = [speech(number=number) for number in range(3)]
    waves = [soxr.resample(wave, SAMPLE_RATE, rate) for wave in originals]
    stereo = [np.stack([wave, wave], axis=1) for wave in waves]
    wanted = shipped.transcribe(originals, SAMPLE_RATE)
    heard = shipped.transcribe(waves, rate)
    assert error_rate(wanted, heard) <= 0.1
    assert shipped.transcribe(stereo, rate) == heard


def test_texts_come_back_in_the_order_of_the_waves(shipped: SenseVoice) -> None:
    waves = [speech(number=1), speech()[:12_000], speech("zh"), speech()]
    together = shipped.transcribe(waves, SAMPLE_RATE, batch_size=3)
    alone = [shipped.transcribe([wave], SAMPLE_RATE)[0] for wave in waves]
    assert len(set(alone)) == 4
    assert together == alone


def test_funasr_itself_loads_the_directory_and_hears_the_same(
    shipped: SenseVoice,
) -> None:
    from funasr import AutoModel

    auto = AutoModel(
        model=str(Assets.find().sensevoice), disable_update=True, disable_pbar=True
    )
    auto.kwargs["frontend"].dither = 0.0  # as ours: no noise is added
    wave = soxr.resample(speech(number=1), SAMPLE_RATE, 16_000)
    (result,) = auto.generate(input=wave, language="auto", use_itn=False)
    text = result["text"].split("|>")[-1]  # after language, emotion, event, style
    assert text.strip() == shipped.transcribe([wave], 16_000)[0]


def test_one_state_for_every_60_ms(tiny: SenseVoice) -> None:
    wave = speech()
    states, lengths = tiny.encode([wave, wave[:24_000]], SAMPLE_RATE)
    assert tiny.output_size == 16
    assert states.shape == (2, int(lengths[0]), 16)
    for length, num_samples in zip(lengths.tolist(), (len(wave), 24_000), strict=True):
        assert abs(length - num_samples / SAMPLE_RATE / 0.06) <= 1


def test_padding_does_not_reach_the_states(tiny: SenseVoice) -> None:
    short, long = speech()[:24_000], speech()
    alone, _ = tiny.encode([short], SAMPLE_RATE)
    padded, lengths = tiny.encode([short, long], SAMPLE_RATE)
    assert torch.allclose(padded[0, : int(lengths[0])], alone[0], atol=1e-5)


def test_a_released_directory_loads_by_its_own_names(copy: Path) -> None:
    # The released model wraps nothing and calls its pieces by another name.
    (copy / "bpe.model").rename(copy / "chn_jpn_yue_eng_ko_spectok.bpe.model")
    text = (copy / "configuration.json").read_text()
    (copy / "configuration.json").write_text(
        text.replace("bpe.model", "chn_jpn_yue_eng_ko_spectok.bpe.model")
    )
    assert len(load_sensevoice(copy).transcribe([speech()], SAMPLE_RATE)) == 1


def test_a_directory_of_the_released_size_loads_through_the_same_lines(
    tmp_path: Path,
) -> None:
    # SenseVoice-Small: 50 and 20 blocks of width 512, 234 million parameters in all.
    words = [f"word{number}" for number in range(25_000)]
    texts = [" ".join(words[i : i + 100]) for i in range(0, len(words), 100)]
    sizes = {"width": 512, "num_blocks": 50, "num_top_blocks": 20}
    write_random(tmp_path, texts, dtype=torch.float16, **sizes)
    large = load_sensevoice(tmp_path)
    parameters = sum(p.numel() for p in large.model.parameters())
    assert 230e6 < parameters < 240e6
    assert large.output_size == 512
    states, lengths = large.encode([speech()], SAMPLE_RATE)
    assert states.shape == (1, int(lengths[0]), 512)
    assert torch.isfinite(states).all()


def test_a_wave_without_samples_is_named(tiny: SenseVoice) -> None:
    with pytest.raises(UserError, match="wave 1 has no samples"):
        tiny.features([speech(), np.zeros(0, np.float32)], SAMPLE_RATE)


def test_a_wave_shorter_than_a_window_is_heard(tiny: SenseVoice) -> None:
    assert len(tiny.transcribe([np.zeros(10, np.float32)], SAMPLE_RATE)) == 1


def test_loading_prints_nothing(
    tiny_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_sensevoice(tiny_directory)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "name", ["config.yaml", "configuration.json", "model.pt", "am.mvn"]
)
def test_a_missing_file_is_named_with_what_makes_it(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing: run `minimind-o nano se"):
        load_sensevoice(copy)


@pytest.mark.parametrize(
    "name", ["config.yaml", "configuration.json", "model.pt", "am.mvn", "bpe.model"]
)
def test_a_truncated_file_gives_one_sentence(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 3])
    with pytest.raises(UserError) as error:
        load_sensevoice(copy)
    message = str(error.value)
    assert str(copy) in message
    assert "\n" not in message


def _drop(state: dict, name: str) -> None:
    del state[name]


def _reshape(state: dict, name: str) -> None:
    state[name] = torch.zeros(3)


def _add(state: dict, name: str) -> None:
    state[name + ".more"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_drop, "bias it has no such parameter"),
        (_reshape, r"bias it has shape \(3,\)"),
        (_add, r"bias\.more it has shape \(3,\), the model has no such parameter"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    copy: Path, damage: Callable[[dict, str], None], words: str
) -> None:
    state = torch.load(copy / "model.pt", weights_only=True)
    damage(state, "ctc.ctc_lo.bias")
    torch.save(state, copy / "model.pt")
    with pytest.raises(UserError, match=rf"model\.pt does not fit .*{words}"):
        load_sensevoice(copy)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"trust_remote_code": True, "remote_code": "model.py"}, "would run code"),
        ({"model": "LLMASR"}, "must describe one of SenseVoiceSmall, CAMPPlus"),
        ({"encoder_conf": {"num_blocks": 10**9}}, "num_blocks as 1000000000; the most"),
        ({"encoder_conf": {"output_size": 10**9}}, "output_size as 1000000000; the"),
        ({"encoder": "${oc.env:HOME}"}, "write out what stands for it"),
    ],
)
def test_a_config_that_asks_for_code_or_for_the_moon_is_refused(
    copy: Path, fields: dict, words: str
) -> None:
    config = yaml.safe_load((copy / "config.yaml").read_text())
    (copy / "config.yaml").write_text(yaml.safe_dump(config | fields))
    (copy / "model.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(UserError, match=words):
        load_sensevoice(copy)


def test_a_file_elsewhere_is_not_followed(copy: Path) -> None:
    file = copy / "configuration.json"
    file.write_text(file.read_text().replace("model.pt", "../model.pt"))
    with pytest.raises(UserError, match="lie beside it"):
        load_sensevoice(copy)

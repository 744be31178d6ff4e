"""A verdict follows from the table: planted differences turn it."""

import json

import pytest

from minimind_o.ablations import verdicts
from tests.test_ablation_plots import row


def bridge_rows(middle: float, middle_of_seed_1: float | None = None) -> list[dict]:
    """Nine layers; the middle one differs from all others by `middle`."""
    rows = []
    for seed in (0, 1):
        gain = middle if seed == 0 or middle_of_seed_1 is None else middle_of_seed_1
        for layer in range(-1, 8):
            extra = gain if layer == 3 else 0.0
            rows.append(
                row(
                    "bridge_layer",
                    "embedding" if layer < 0 else f"layer_{layer}",
                    seed,
                    bridge_layer=layer,
                    audio_loss=2.0 - extra,
                    cer=0.5 - extra,
                    heteronym_preferred_held_out=0.5 + extra,
                )
            )
    return rows


@pytest.mark.parametrize(
    ("rows", "judgement"),
    [
        (bridge_rows(0.1), "reproduced"),
        (bridge_rows(-0.1), "not reproduced"),
        (bridge_rows(0.1, -0.1), "not reproduced"),
    ],
)
def test_the_middle_must_beat_both_ends_with_every_seed(rows, judgement) -> None:
    assert verdicts.bridge(rows).judgement == judgement


def test_one_measure_alone_is_a_part() -> None:
    rows = bridge_rows(0.1)
    for each in rows:
        each["cer"] = 0.5
    found = verdicts.bridge(rows)
    assert found.judgement == "partly reproduced"
    assert "layer_3 better than embedding by 0.100 [0.100, 0.100]" in repr(found)
    assert "cer: layer_3 better than layer_7 by 0.000" in repr(found)
    assert "audio_loss: best is layer_3 (1.900)" in repr(found)
    assert repr(found).endswith("verdict  partly reproduced")


def rank_rows(none: float, middle: float) -> list[dict]:
    """The largest rank has 1.0, `rank_64` and no adapters what is given."""
    losses = {"none": none, "rank_4": 1.5, "rank_64": middle, "rank_256": 1.0}
    losses |= {"head_256": 1.1, "embedding_256": 1.2, "full": 1.0}
    rows = []
    for seed in (0, 1):
        for name, loss in losses.items():
            size = int(name.split("_")[1]) if "_" in name else 0
            ranks = {"embedding_rank": size, "head_rank": size}
            rows.append(row("talker_rank", name, seed, audio_loss=loss, **ranks))
    return rows


@pytest.mark.parametrize(
    ("none", "middle", "judgement"),
    [
        (2.0, 1.05, "reproduced"),
        (2.0, 1.5, "partly reproduced"),
        (1.5, 1.6, "not reproduced"),
    ],
)
def test_a_rank_is_enough_with_nine_tenths_of_the_gain(none, middle, judgement) -> None:
    found = verdicts.rank(rank_rows(none, middle))
    assert found.judgement == judgement
    assert f"{(none - middle) / (none - 1):.0%}" in repr(found)
    assert "head_256 better than embedding_256 by 0.100" in repr(found)


def width_rows(gain: float, start: float) -> list[dict]:
    """`gain`: of the Thinker's width; `start`: of a warm start there."""
    rows = []
    for seed in (0, 1):
        for size in (128, 256, 384):
            for name in ("warm", "random"):
                better = gain * (size == 256) + start * (size, name).__eq__(
                    (256, "warm")
                )
                rows.append(
                    row(
                        "talker_width",
                        f"width_{size}_{name}",
                        seed,
                        cer=0.5 - better,
                        audio_loss=2.0 - better,
                        config=json.dumps({"hidden_size": 256}),
                    )
                )
    return rows


@pytest.mark.parametrize(
    ("gain", "start", "judgement"),
    [
        (0.1, 0.0, "reproduced"),
        (0.0, 0.1, "partly reproduced"),
        (-0.1, 0.05, "not reproduced"),
    ],
)
def test_a_gain_of_the_start_alone_is_no_gain_of_the_width(
    gain, start, judgement
) -> None:
    found = verdicts.width(width_rows(gain, start))
    assert found.judgement == judgement
    assert "CER 0.090 at 768, 0.277 at 384" in repr(found)


@pytest.mark.parametrize(
    ("gains", "remark"),
    [((0.1, 0.2), "by 0.150 [0.100, 0.200]"), ((-0.1, 0.2), "not with every seed"),
     ((-0.1, -0.2), "worse with every seed")],
)  # fmt: skip
def test_a_difference_tells_its_signs(gains, remark) -> None:
    rows = [
        row("delay", name, seed, cer=0.5 - gain * (name == "a"))
        for seed, gain in enumerate(gains)
        for name in ("a", "b")
    ]
    assert str(verdicts.difference(rows, "a", "b", "cer")).endswith(remark)

"""What fewer bits cost: the nano model's answers in fp32, bf16 and int8, one table.

    python benchmarks/precision_quality.py --record

The same test prompts, draws and judge for all three; `--record` writes the table to
`data/results/precision.md`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.config import WEIGHT_PRECISIONS, WeightPrecision
from minimind_o.evaluation.consistency import ConsistencyRun, run
from minimind_o.evaluation.hearing import summarise
from minimind_o.evaluation.report import Item, right_share
from minimind_o.evaluation.statistics import Estimate
from minimind_o.model.omni import OmniModel
from minimind_o.model.precision import to_precision, weight_bytes

TABLE_FILE = figures.REPOSITORY / "data" / "results" / "precision.md"
COMMAND = "python benchmarks/precision_quality.py --record"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What one precision was measured at."""

    precision: WeightPrecision
    megabytes: float
    facts: Estimate
    read_aloud: Estimate
    right: Estimate

    def markdown(self) -> str:
        """A row of the table."""
        rates = (self.facts, self.read_aloud, self.right)
        cells = [f"{r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in rates]
        return f"| {self.precision} | {self.megabytes:.1f} | {' | '.join(cells)} |"


def measure(precision: WeightPrecision, num: int, work: Path) -> Quality:
    """Answers to the test split's facts and texts to be read aloud."""
    assets = Assets.find()
    options = ConsistencyRun(
        model=assets.omni,
        data=assets.sft_t2a / "test.parquet",
        out=work / precision,
        num=num,
        precision=precision,
    )
    items = run(options, assets, show=lambda _: None).items
    facts = [item for item in items if item.kind == "fact"]
    model = OmniModel.from_pretrained(assets.omni, must_speak=True)
    model = to_precision(model, precision)
    return Quality(
        precision=precision,
        megabytes=weight_bytes(model) / 1e6,
        facts=character_errors(facts),
        read_aloud=character_errors([i for i in items if i.kind == "read_aloud"]),
        right=right_share(facts),
    )


def character_errors(items: Sequence[Item]) -> Estimate:
    """Of the model's text against what was heard, by length."""
    summary = summarise([item.hearing for item in items])
    assert summary is not None
    return summary.cer


def main() -> None:
    """Measure all precisions and write one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=240, help="prompts of each kind")
    parser.add_argument("--work", type=Path, default=Path("runs/precision"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    lines = [
        "| weights | MB | CER, facts | CER, read aloud | answers right |",
        "|---|---|---|---|---|",
    ]
    for precision in WEIGHT_PRECISIONS:
        quality = measure(precision, arguments.num, arguments.work)
        lines.append(quality.markdown())
        print(lines[-1], flush=True)
    if arguments.record:
        head = (
            "# The nano model in fewer bits\n\n"
            f"`{COMMAND}`: {arguments.num} prompts of each kind, the same for all; "
            "95 % intervals over prompts.\n\n"
        )
        TABLE_FILE.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

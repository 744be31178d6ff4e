"""How long all stages of the recipe took, from the language model to the last one.

    python benchmarks/minutes_full_recipe.py runs/nano/omni [--record]

Reads what `minimind-o nano omni` left in its work folder.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from minimind_o import figures
from minimind_o.nano.omni import STAGES


def main() -> None:
    """Add up, print, record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="the training's work folder")
    parser.add_argument("--record", action="store_true", help="write figures.json")
    arguments = parser.parse_args()
    minutes = {}
    for number, stage in enumerate(STAGES):
        folder = arguments.work / f"{number}_{stage.recipe.stage}"
        ended = json.loads((folder / "figures.json").read_text())
        minutes[stage.recipe.stage] = ended["minutes"]
    total = sum(minutes.values())
    note = ", ".join(f"{name} {value:.1f}" for name, value in minutes.items())
    print(f"{total:.1f} minutes: {note}")
    if arguments.record:
        command = "python benchmarks/minutes_full_recipe.py "
        command += shlex.join(sys.argv[1:])
        figures.record("minutes_full_recipe", total, command=command, note=note)


if __name__ == "__main__":
    main()

"""The ways to install agree, and what was tested is what gets installed."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import minimind_o

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
DIRECT = [
    Requirement(line)
    for line in [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["dev"],
    ]
]
CONSTRAINT_LINES = [
    line
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def constraints() -> dict[str, str]:
    """Package name to exact version."""
    pairs = (line.split("==") for line in CONSTRAINT_LINES)
    return {canonicalize_name(name): version for name, version in pairs}


def test_constraints_are_plain_exact_versions():
    for line in CONSTRAINT_LINES:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), line
    assert len(constraints()) == len(CONSTRAINT_LINES)


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda one: one.name)
def test_each_direct_dependency_is_pinned_within_its_bounds(requirement):
    version = constraints()[canonicalize_name(requirement.name)]
    assert version in requirement.specifier


def test_every_dependency_of_a_dependency_is_pinned():
    pinned = constraints()
    # Torch itself pins these, and only where they exist.
    pinned_by_torch = ("nvidia-", "triton", "setuptools")
    waiting = [(one.name, tuple(one.extras)) for one in DIRECT]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            wanted = not needed.marker or any(
                needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            key = canonicalize_name(needed.name)
            if not wanted or key in seen or key.startswith(pinned_by_torch):
                continue
            seen.add(key)
            assert key in pinned, (
                f"{key}, which {name} needs, is not in constraints.txt"
            )
            assert pinned[key] in needed.specifier, f"{name} needs {needed}"
            waiting.append((key, tuple(needed.extras)))
    assert len(seen) > 50


def test_conda_installs_the_same_versions():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    conda, (pip,) = environment["dependencies"][:-1], environment["dependencies"][-1:]
    assert environment["name"] == PROJECT["name"]
    assert pip == {"pip": ["--constraint constraints.txt", "--editable .[dev]"]}
    # Nothing but Python comes from conda, so nothing else can fall out of step.
    (python, plain_pip) = conda
    assert plain_pip == "pip"
    version = python.removeprefix("python=")
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert f"Python {version}" in (REPOSITORY / "constraints.txt").read_text()
    first_choice = re.search(r"\$\(PYTHON\),(python\S+)", makefile())
    assert first_choice
    assert first_choice[1] == f"python{version}"


def makefile() -> str:
    return (REPOSITORY / "Makefile").read_text()


def test_make_uses_the_constraints_and_remakes_the_environment_when_they_change():
    assert "$(STAMP): pyproject.toml constraints.txt\n" in makefile()
    assert '-c constraints.txt -e ".[dev]"' in makefile()


def test_make_explains_a_python_that_is_too_old(tmp_path):
    old = tmp_path / "python-of-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    made = subprocess.run(
        ["make", "env", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode != 0
    assert "needs Python 3.11 or newer" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_what_a_person_runs():
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("make test")


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "numpy", "transformers", "moshi", "funasr", "matplotlib")
    code = (
        "import sys, minimind_o.cli; minimind_o.cli.build_parser();"
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_the_version_is_that_of_the_installed_package():
    assert metadata.version("minimind-o") == minimind_o.__version__

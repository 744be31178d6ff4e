"""Nothing from outside is run or unpickled anywhere in the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import minimind_o

PACKAGE = Path(minimind_o.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads",
    "pickle.Unpickler", "dill.load", "dill.loads", "joblib.load", "marshal.loads",
    "shelve.open", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load",
    "shutil.unpack_archive", "os.system", "torch.hub.load",
}  # fmt: skip
FORBIDDEN_METHODS = {"extractall", "extract"}
FORBIDDEN_MODULES = {"pickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}


def problems(source: str) -> Iterator[str]:
    """What is forbidden in a file, one entry each."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in FORBIDDEN_MODULES:
                    yield f"import {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
                yield f"from {node.module} import"
        elif isinstance(node, ast.Call):
            yield from _in_call(node)


def _in_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    keywords = {k.arg: k.value for k in node.keywords}
    if name in FORBIDDEN_CALLS:
        yield name
    if isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN_METHODS:
        yield name
    if name == "torch.load" and not _is(keywords.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if name.endswith(("numpy.load", "np.load")):
        allowed = keywords.get("allow_pickle")
        if allowed is not None and not _is(allowed, False):
            yield "np.load with allow_pickle"
    trusted = keywords.get("trust_remote_code")
    if trusted is not None and not _is(trusted, False):
        yield "trust_remote_code"
    if _is(keywords.get("shell"), True):
        yield "shell=True"


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_the_package_was_found() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_no_file_runs_or_unpickles_what_comes_from_outside(file: Path) -> None:
    assert not list(problems(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "yaml.load(text)",
        "eval(text)",
        "archive.extractall(folder)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_each_kind_is_noticed(line: str) -> None:
    assert list(problems(line))


def test_what_is_safe_is_not() -> None:
    for line in (
        "torch.load(path, weights_only=True)", "yaml.safe_load(text)", "model.eval()",
        "AutoModel(model=name, trust_remote_code=False)", "re.compile(text)",
    ):  # fmt: skip
        assert not list(problems(line)), line

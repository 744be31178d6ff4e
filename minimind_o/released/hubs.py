"""One file from a hub into a folder, by the hub's own client, resumable.

Each function returns where the client put the file: below the given folder, under the
file's name. What a client cannot reach is `Unreachable`; what a hub has not is a
`UserError`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minimind_o.errors import UserError, first_line
from minimind_o.released.manifest import Repository


class Unreachable(UserError):
    """The hub, the network or the disk failed; trying again may help."""


Fetch = Callable[[Repository, str, Path, "str | None"], Path]
"""Repository, file name, folder to write in, address of the hub (None: its own)."""


def from_huggingface(
    repository: Repository, name: str, folder: Path, endpoint: str | None = None
) -> Path:
    """From the Hugging Face hub; HF_ENDPOINT names a mirror, HF_TOKEN a token."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub import logging as hub_logging
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub_logging.set_verbosity_error()  # it tells of each of its five retries
    try:
        return Path(
            hf_hub_download(
                repository.name,
                name,
                repo_type="dataset" if repository.is_dataset else "model",
                revision=repository.revision,
                local_dir=folder,
                endpoint=endpoint,
            )
        )
    except LocalEntryNotFoundError as error:
        raise Unreachable(_reason(error)) from error
    except (
        EntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        HFValidationError,
    ) as error:
        raise _not_there(repository, name, error) from error
    except OSError as error:  # the client's own errors and requests' are OSErrors
        raise Unreachable(_reason(error)) from error


def from_modelscope(
    repository: Repository, name: str, folder: Path, endpoint: str | None = None
) -> Path:
    """From ModelScope, whose client compares what it got with the hub's checksum."""
    try:
        from modelscope.hub.file_download import (
            dataset_file_download,
            model_file_download,
        )
        from modelscope_hub.errors import HubError
    except ImportError:
        raise UserError(
            "ModelScope's client is not installed: pip install 'minimind-o[modelscope]'"
        ) from None
    import requests

    fetch = dataset_file_download if repository.is_dataset else model_file_download
    try:
        return Path(
            fetch(
                repository.name,
                name,
                revision=repository.revision or "master",
                local_dir=str(folder),
                endpoint=endpoint,
            )
        )
    except requests.HTTPError as error:  # its answer for what it has not
        raise _not_there(repository, name, error) from error
    except (HubError, OSError) as error:
        raise Unreachable(_reason(error)) from error


def from_github(
    repository: Repository, name: str, folder: Path, endpoint: str | None = None
) -> Path:
    """From a commit on GitHub; for small files, fetched whole."""
    import logging

    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    base = endpoint or "https://raw.githubusercontent.com"
    path = "/".join(filter(None, (repository.folder, name)))
    url = f"{base}/{repository.name}/{repository.revision}/{path}"
    try:
        return Path(pooch.retrieve(url, known_hash=None, fname=name, path=folder))
    except requests.HTTPError as error:
        raise _not_there(repository, name, error) from error
    except OSError as error:
        raise Unreachable(_reason(error)) from error


FETCH: dict[str, Fetch] = {
    "huggingface": from_huggingface,
    "modelscope": from_modelscope,
    "github": from_github,
}


def _not_there(repository: Repository, name: str, error: Exception) -> UserError:
    return UserError(f"{repository} did not give {name}: {first_line(error)}")


def _reason(error: BaseException) -> str:
    """What went wrong at the bottom: the clients wrap it several times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return first_line(error)

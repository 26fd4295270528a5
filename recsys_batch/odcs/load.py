"""Reading the contracts that ship with the package: one ``NAME.odcs.yaml`` a landing source."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from recsys_batch.errors import ContractError
from recsys_batch.odcs.model import Contract

FOLDER = Path(__file__).resolve().parent
_SUFFIX = ".odcs.yaml"


def contract_names() -> tuple[str, ...]:
    """The sources that have a contract."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in FOLDER.glob(f"*{_SUFFIX}")))


def contract_path(name: str) -> Path:
    """Where the document of a source lies.

    Raises
    ------
    ContractError
        There is none.
    """
    if name not in contract_names():
        raise ContractError(
            f"there is no contract {name!r}",
            where=str(FOLDER),
            fix=f"name one of {', '.join(contract_names())}",
        )
    return FOLDER / f"{name}{_SUFFIX}"


@cache
def contract(name: str) -> Contract:
    """The contract of a source.

    Raises
    ------
    ContractError
        There is none, or its document is not one that we read.
    """
    return read_contract(contract_path(name))


def read_contract(path: Path) -> Contract:
    """Read a document.

    Raises
    ------
    ContractError
        It is no YAML, or not of the standard's part that we use.
    """
    try:
        return Contract.model_validate(_document(path))
    except yaml.YAMLError as error:
        raise ContractError(
            f"not readable as YAML ({' '.join(str(error).split())})",
            where=str(path),
            fix="correct the file",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise ContractError(
            f"{key}: {first['msg']}",
            where=str(path),
            fix="write it as the Open Data Contract Standard 3.1 says, with the keys of "
            "recsys_batch/odcs/model.py",
        ) from error


def contract_json(name: str) -> str:
    """The document as JSON, its YAML anchors written out."""
    return json.dumps(_document(contract_path(name)), indent=2) + "\n"


def _document(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it exists
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  both are safe

"""Rules read from ``conf/rules/NAME.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from recsys_batch.config import conf_folder, read_yaml
from recsys_batch.errors import ConfigError
from recsys_batch.ranking.policy.settings import Policy


def load_policy(name: str = "default", *, conf: Path | None = None) -> Policy:
    """Read the rules of a name.

    Parameters
    ----------
    name
        Of ``conf/rules/NAME.yaml``, or a path to such a file.
    conf
        Configuration folder; by default ``$RECSYS_BATCH_CONF``, then the project's ``conf/``.

    Raises
    ------
    ConfigError
        The file is missing or not YAML, a key is unknown, or a value is out of range.
    """
    folder = (conf or conf_folder()) / "rules"
    path = Path(name) if Path(name).suffix in {".yaml", ".yml"} else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise ConfigError(
            f"there are no rules {name!r}",
            where=str(path),
            fix=f"write them, or use one of {known}",
        )
    try:
        return Policy.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"]]
        parts = parts[: parts.index("[key]")] if "[key]" in parts else parts
        key = ".".join(parts) or "(top)"
        quote = " and put ids, keys and versions in quotes" if "string" in first["type"] else ""
        raise ConfigError(
            f"rule {key!r}: {first['msg'].lower()}",
            where=str(path),
            fix=f"correct that key{quote}; docs/policy.md explains each",
        ) from error

"""A model's recipe: the parameters that, with its data, make it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from recsys_batch.config import AlsSettings
from recsys_batch.lake.ledger import read_rows


def recipe_json(settings: AlsSettings) -> str:
    """The recipe as JSON with sorted keys."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True)


def recipe_digest(settings: AlsSettings) -> str:
    """SHA-256 (hex) of the recipe."""
    return hashlib.sha256(recipe_json(settings).encode()).hexdigest()


def stored_recipe(home: Path, run_id: str) -> AlsSettings | None:
    """The recipe that a run's model was made by, or None where it has no model."""
    rows = read_rows(home, "models", run_id=run_id)
    return AlsSettings.model_validate_json(rows[0]["recipe"]) if rows else None

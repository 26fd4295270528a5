"""The model as MLflow serves it: a note of which factor tables to read, and nothing heavier.

MLflow loads it through `_load_pyfunc`; the factors stay in Delta, at the recorded versions.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_batch.columns import FACTORS, ITEM_ID, PART, RANK, RUN_ID, SCORE, USER_KEY
from recsys_batch.errors import LakeError
from recsys_batch.lake.places import open_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

DEFAULT_N = 10
NEEDS = ("deltalake", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class FactorTables:
    """Where a model's factors lie.

    Attributes
    ----------
    user_factors, item_factors
        Paths or URIs of the Delta tables.
    user_version, item_version
        Their versions that hold the model.
    run_id, part
        Which rows are the model's.
    """

    user_factors: str
    user_version: int
    item_factors: str
    item_version: int
    run_id: str
    part: str = "full"

    def save(self, folder: Path) -> None:
        """Write the model directory MLflow keeps: this note and the packages it needs."""
        from mlflow import pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

        note = folder.with_name(f"{folder.name}.json")
        note.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it would like an input example
            pyfunc.save_model(
                str(folder),
                loader_module=__name__,
                data_path=str(note),
                signature=ModelSignature(
                    inputs=Schema([ColSpec("string", USER_KEY)]),
                    outputs=Schema(
                        [
                            ColSpec("string", USER_KEY),
                            ColSpec("long", RANK),
                            ColSpec("string", ITEM_ID),
                            ColSpec("float", SCORE),
                        ]
                    ),
                    params=ParamSchema([ParamSpec("n", "long", DEFAULT_N)]),
                ),
                pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
            )


class FactorModel:
    """Top-N by inner product of user and item factors, seen items and rules not applied.

    Parameters
    ----------
    users
        User key -> row of `user_factors`.
    items
        Item ids, in the order of the rows of `item_factors`.
    user_factors, item_factors
        float32 matrices of rows x dimensions.
    """

    def __init__(
        self,
        users: dict[str, int],
        items: NDArray[np.str_],
        *,
        user_factors: NDArray[np.float32],
        item_factors: NDArray[np.float32],
    ) -> None:
        self.users = users
        self.items = items
        self.user_factors = user_factors
        self.item_factors = item_factors

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return ``user_key``, ``rank``, ``item_id``, ``score``; no row for users without factors.

        Parameters
        ----------
        data
            A column ``user_key``.
        params
            ``n``: items a user; `DEFAULT_N` by default.
        """
        import pandas as pd

        n = int((params or {}).get("n", DEFAULT_N))
        frames = [self._top(key, n) for key in dict.fromkeys(data[USER_KEY]) if key in self.users]
        columns = [USER_KEY, RANK, ITEM_ID, SCORE]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def _top(self, key: str, n: int) -> pd.DataFrame:
        import pandas as pd

        scores = self.item_factors @ self.user_factors[self.users[key]]
        best = np.lexsort((self.items, -scores))[:n]  # score, then item id
        return pd.DataFrame(
            {
                USER_KEY: key,
                RANK: np.arange(1, len(best) + 1),
                ITEM_ID: self.items[best],
                SCORE: scores[best],
            }
        )


def _load_pyfunc(path: str) -> FactorModel:
    """Read the factors named by the note at `path`; MLflow calls this.

    Raises
    ------
    LakeError
        A table is missing, its version was vacuumed, or it holds no rows of the run.
    """
    tables = FactorTables(**json.loads(Path(path).read_text(encoding="utf-8")))
    where = (tables.run_id, tables.part)
    users = _rows(tables.user_factors, tables.user_version, USER_KEY, *where)
    items = _rows(tables.item_factors, tables.item_version, ITEM_ID, *where)
    keys = users.column(USER_KEY).to_pylist()
    return FactorModel(
        {key: row for row, key in enumerate(keys)},
        np.array(items.column(ITEM_ID).to_pylist(), dtype=np.str_),
        user_factors=_matrix(users),
        item_factors=_matrix(items),
    )


def _rows(uri: str, at: int, key: str, run_id: str, part: str) -> pa.Table:
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    quoted = run_id.replace("'", "''")
    chosen = f"{RUN_ID} = '{quoted}' AND {PART} = '{part}'"
    try:
        reader = open_table(uri, version=at).scan(columns=[key, FACTORS], predicate=chosen)
        rows = pa.RecordBatchReader.from_stream(reader).read_all()
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"version {at} cannot be read ({' '.join(str(error).split())[:200]})",
            where=uri,
            fix="train the model again, or load a newer version of it",
        ) from error
    if not rows.num_rows:
        raise LakeError(
            f"version {at} holds no factors of run {run_id}, part {part}",
            where=uri,
            fix="train the model again, or load a newer version of it",
        )
    return rows


def _matrix(rows: pa.Table) -> NDArray[np.float32]:
    factors = rows.column(FACTORS).combine_chunks()
    return np.asarray(factors.flatten(), dtype=np.float32).reshape(rows.num_rows, -1)

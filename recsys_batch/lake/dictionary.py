"""The data dictionary: every table and column, made from the registry.

``python -m recsys_batch.lake.dictionary > docs/data-dictionary.md`` writes it anew.
"""

from __future__ import annotations

import sys

from recsys_batch.lake.tables import TABLES, Table
from recsys_batch.odcs.load import contract, contract_names

_HEAD = """# Data dictionary

Made from `recsys_batch/lake/tables.py` and the contracts (`recsys-batch contract NAME` prints one)
by `python -m recsys_batch.lake.dictionary`. A table lies at
`LAKE/DATASET/LAYER/TABLE`, as Delta. Raw user ids exist in bronze only; statistics of columns are
not kept, so that no identifier stands in a log.
"""


def dictionary() -> str:
    """The dictionary as Markdown."""
    return "\n".join([_HEAD, *(_section(table) for table in TABLES.values())])


def _section(table: Table) -> str:
    partitions = ", ".join(table.partition_by) or "none"
    rows = [f"| `{name}` | `{kind}` | {text} |" for name, kind, text in table.columns]
    return "\n".join(
        [
            f"## {table.layer}/{table.name}",
            "",
            f"A row is {table.summary}. Key: {', '.join(table.keys)}. Partitions: {partitions}."
            + "".join(
                f" Contract: `{name}`."
                for name in contract_names()
                if contract(name).table.physical_name == f"{table.layer}/{table.name}"
            ),
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(dictionary())

"""Register a run's model in a home that may hold anything a killed attempt left there."""

import sys
from pathlib import Path

from recsys_batch.models.registry import Registry, default_tracking_uri
from recsys_batch.models.serving import FactorTables

home = Path(sys.argv[1])
tables = FactorTables(
    user_factors="users", user_version=1, item_factors="items", item_version=1, run_id="run"
)
registry = Registry(
    tracking_uri=default_tracking_uri(home), artifacts=home / "mlflow", experiment="kills"
)
registry.log_run(run_id="run", params={"factors": 8}, metrics={"users": 2.0}, tags={})
version = registry.register("model", run_id="run", tables=tables, tags={})
registry.set_alias("model", "challenger", version)
found = registry.aliased("model", "challenger")
assert found is not None
sys.stdout.write(f"{version} {found.run_id} {dict(found.params)} {dict(found.metrics)}\n")

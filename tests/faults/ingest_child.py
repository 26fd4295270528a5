"""Land files one after the other and take each, in a lake that a kill may have left anyhow."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ingest.shops import KEY, NOW, shop

from recsys_batch.config import SparkSettings
from recsys_batch.ingest.batch import sources, take
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake, write_lock

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
landing = folder / "landing"
landing.mkdir(parents=True, exist_ok=True)
dataset = shop(fields={"event_id": "id", "user_id": "u", "item_id": "i"})
settings = SparkSettings(
    driver_memory="1g",
    shuffle_partitions=2,
    java_options="-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
    conf={
        "spark.sql.adaptive.enabled": "false",
    },
)
with write_lock(folder / "lake"):
    lake = Lake(make_session(settings, app="ingest child"), folder / "lake")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for file in ["", *sorted(path.name for path in source.iterdir())]:
        if file and not (landing / file).exists():
            shutil.copyfile(source / file, landing / f".{file}")
            (landing / f".{file}").rename(landing / file)
        elif file:
            continue
        if any(landing.iterdir()):
            for each in sources(dataset):
                take(lake, each, dataset=dataset, landing=landing, key=KEY, now=NOW)
    lake.spark.stop()

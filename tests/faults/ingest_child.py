"""Take files one after the other, or replay, in a lake that a kill may have left anyhow."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from ingest.shops import KEY, NOW, shop

from recsys_batch.config import SparkSettings
from recsys_batch.ingest.batch import sources, take
from recsys_batch.ingest.replay import replay
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake, write_lock

act, source, folder, fields = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
landing = folder / "landing"
landing.mkdir(parents=True, exist_ok=True)
dataset = shop(fields=json.loads(fields))
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
    if act == "replay":
        for each in sources(dataset):
            replay(lake, each, dataset=dataset, key=KEY, now=NOW)
    for file in ["", *sorted(path.name for path in source.iterdir())] if act == "take" else ():
        if file and not (landing / file).exists():
            shutil.copyfile(source / file, landing / f".{file}")
            (landing / f".{file}").rename(landing / file)
        elif file:
            continue
        if any(landing.glob("[!.]*")):  # a kill may have left nothing but a half copied one
            for each in sources(dataset):
                take(lake, each, dataset=dataset, landing=landing, key=KEY, now=NOW)
    lake.spark.stop()

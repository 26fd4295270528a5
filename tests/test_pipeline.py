"""The stage list is a plan that can be carried out in its order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recsys_batch.lake.tables import TABLES
from recsys_batch.pipeline import STAGES, stage

PROJECT = Path(__file__).resolve().parent.parent
FOLDERS = {"landing", "fitted", "cards", "edge", "exports"}


def test_each_stage_reads_only_what_lies_there_before_it() -> None:
    there = {"landing"}
    for each in STAGES:
        missing = set(each.reads) - there - set(each.writes)
        # the champion's recipe is of an earlier day
        assert not missing, f"{each.name} reads {missing} before anything writes it"
        there |= set(each.writes)


def test_every_table_is_written_by_a_stage_and_every_name_is_a_table() -> None:
    written = {name for each in STAGES for name in each.writes}
    read = {name for each in STAGES for name in each.reads}
    assert set(TABLES) - written == {"costs"}  # kept around every stage (`job.timed_stage`)
    assert written | read <= set(TABLES) | FOLDERS


def test_what_is_made_is_used_but_for_reports() -> None:
    read = {name for each in STAGES for name in each.reads}
    ends = {"list_changes", "cards", "edge", "exports"}
    ends |= {"lateness", "freshness", "suspects"}
    ends |= {"user_factors", "item_factors"}  # what the model in the registry answers from
    assert {name for each in STAGES for name in each.writes} - read == ends


def test_every_stage_has_its_job_and_a_name_of_its_own() -> None:
    assert len({each.name for each in STAGES}) == len(STAGES)
    for each in STAGES:
        assert (PROJECT / each.job).is_file()
        assert stage(each.name) is each
    with pytest.raises(KeyError):
        stage("none")


def test_the_stage_list_is_light_to_import() -> None:
    code = (
        "import sys, recsys_batch.pipeline; "
        "print(sorted({'pyspark', 'pandas', 'numpy', 'pydantic', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

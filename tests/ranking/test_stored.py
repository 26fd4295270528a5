"""Fitted models lie a file a run and part, and only those of the last runs."""

from __future__ import annotations

import os

from recsys_batch.ranking.stored import keep_latest, model_path, remove_unfinished


def test_a_part_has_its_file_whose_name_is_its_own(tmp_path):
    paths = [model_path(tmp_path, run, part) for run in "ab" for part in ("full", "train")]
    assert len({path.name for path in paths}) == 4  # Spark ships files by name
    assert paths[0].parent == paths[1].parent != paths[2].parent


def test_the_runs_trained_last_are_kept(tmp_path):
    for place, run in enumerate(["c", "a", "d", "b"]):
        for part in ("full", "train"):
            path = model_path(tmp_path, run, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        os.utime(path.parent, (place, place))
    keep_latest(tmp_path)
    assert sorted(path.name for path in (tmp_path / "fitted").iterdir()) == ["a", "b", "d"]
    keep_latest(tmp_path)
    assert model_path(tmp_path, "a", "train").is_file()


def test_what_the_fits_of_a_run_left_goes_when_its_stage_is_done(tmp_path):
    one, other = (model_path(tmp_path, run, "full") for run in "ab")
    for path in (one, other):
        (path.parent / "als-killed").mkdir(parents=True)
        (path.parent / "als-killed" / "pairs.parquet").write_bytes(b"x")
        for left in ("als-local-0123.npz", "als-local-0123.building"):
            (path.parent / left).write_bytes(b"x")
        path.write_bytes(b"x")
    remove_unfinished(tmp_path, "a")
    assert list(one.parent.iterdir()) == [one]
    assert len(list(other.parent.iterdir())) == 4
    remove_unfinished(tmp_path, "c")

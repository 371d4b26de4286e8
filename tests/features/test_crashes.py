"""Extraction by processes that are killed, compete, run into limits or go on for long."""

from __future__ import annotations

import hashlib
import json

from vestige.features.extract import extract


def test_killed_at_random_moments_it_ends_with_the_same_bytes(tiny, scenes):
    folder = scenes / "killed"
    said = json.loads((folder / "said.json").read_text())
    assert 0 < said["chunks"][-1] < 6, "the kills left nothing to go on from"
    assert said["chunks"] == sorted(said["chunks"])
    assert said["kept"], "a finished chunk was computed again"
    unbroken = tiny.store_bytes(folder / "unbroken")
    assert len([name for name in unbroken if "/c/" in name]) == 6
    assert len([name for name in unbroken if "/problems/" in name]) == 4
    assert tiny.store_bytes(folder / "killed") == unbroken


def test_killed_in_its_first_chunk_it_goes_on_at_the_last_batch(tiny, scenes, tmp_path):
    said = json.loads((scenes / "killed_early" / "said.json").read_text())
    assert 0 < said["decoded"] <= 300 - 3 * 32
    whole = extract(tiny.backbone(), tiny.crops(300), tiny.READS, cache=tmp_path)
    assert said["got"] == [hashlib.sha256(each.read().tobytes()).hexdigest() for each in whole]
    assert tiny.store_bytes(scenes / "killed_early" / "cache") == tiny.store_bytes(tmp_path)


def test_of_two_processes_one_computes_and_both_read(scenes):
    folder = scenes / "together"
    one, two = (json.loads((folder / f"{name}.json").read_text()) for name in "ab")
    assert sorted([one["decoded"], two["decoded"]]) == [0, 700]
    assert one["got"] == two["got"]


def test_a_limit_on_file_sizes_is_one_error(scenes):
    said = json.loads((scenes / "limited" / "said.json").read_text())
    assert "File too large" in said["message"]


def test_memory_does_not_grow_with_the_number_of_pictures(scenes):
    folder = scenes / "memory"
    short, long = (json.loads((folder / f"{n}.json").read_text()) for n in (600, 9000))
    # 8,400 more pictures are 14 MB of pixels and 29 MB of features, and their crops about 5 MB
    assert long - short < 14

"""Features computed by a cluster: the bytes of one machine, whatever dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features import dense, extract
from vestige.features.dense import extract_dense
from vestige.features.extract import extract as extract_features
from vestige.features.layout import Description, chunk_path
from vestige.features.spread import check_reached, device_of
from vestige.features.writer import chunk_writers
from vestige.images import ImageFile

ROWS = 16  # of a chunk
OPTIONS = ExtractOptions(batch=4)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "CHUNK_ROWS", ROWS)
    monkeypatch.setattr(dense, "CHUNK_ROWS", 500)


def written(cache: Path) -> dict[str, int]:
    """The finished chunks, and when each was written."""
    return {str(path): path.stat().st_mtime_ns for path in cache.glob("*/c/*/0")}


def read_of(folder: Path) -> Any:
    """Notes in a folder every picture that is read."""

    def told(seed: int) -> None:
        with (folder / str(seed)).open("a") as file:
            file.write("read\n")

    return told


def test_the_bytes_are_those_of_one_machine(tiny: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    crops, counts = tiny.crops(4 * ROWS + 5, broken=(3, 40)), []
    here = extract_features(tiny.backbone(), crops, tiny.READS, cache=tmp_path / "here", options=OPTIONS)
    there = extract_features(
        tiny.backbone(),
        crops,
        tiny.READS,
        cache=tmp_path / "there",
        options=OPTIONS,
        cluster=cluster,
        progress=lambda done, total: counts.append((done, total)),
    )
    assert tiny.store_bytes(tmp_path / "there") == tiny.store_bytes(tmp_path / "here")
    assert len(written(tmp_path / "there")) == 10
    assert [each.problems for each in there] == [each.problems for each in here]
    assert counts[0] == (0, len(crops))
    assert counts[-1] == (len(crops), len(crops))
    assert len(counts) == 6
    before = written(tmp_path / "there")
    again = extract_features(
        tiny.backbone(), crops, tiny.READS, cache=tmp_path / "there", options=OPTIONS, cluster=cluster
    )
    np.testing.assert_array_equal(again[0].read(), here[0].read())
    assert written(tmp_path / "there") == before


def test_what_was_stopped_before_its_end_was_told_is_gone_on_with(
    tiny: ModuleType, cluster: Cluster, tmp_path: Path
) -> None:
    """All chunks are there, by workers of a command that was stopped before it called the store complete."""
    where = {"cache": tmp_path / "there", "options": OPTIONS, "cluster": cluster}
    extract_features(tiny.backbone(), tiny.crops(ROWS), tiny.READS, **where)
    before = written(tmp_path / "there")
    complete = list((tmp_path / "there").glob("*/complete.json"))
    assert len(complete) == 2
    for path in complete:
        path.unlink()
    extract_features(tiny.backbone(), tiny.crops(ROWS), tiny.READS, **where)
    assert all(path.exists() for path in complete)
    assert written(tmp_path / "there") == before


def test_dense_bytes_are_those_of_one_machine(tiny: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    examples = [Example(str(i), str(i), tiny.Broken(i) if i == 2 else Picture(i, 20 + 5 * i)) for i in range(6)]
    options = ExtractOptions(store_dtype="float16")
    told = {
        name: extract_dense(tiny.backbone(), examples, "early", cache=tmp_path / name, options=options, cluster=where)
        for name, where in (("here", None), ("there", cluster))
    }
    assert tiny.store_bytes(tmp_path / "there") == tiny.store_bytes(tmp_path / "here")
    assert len(written(tmp_path / "there")) >= 3
    np.testing.assert_array_equal(told["there"].columns, told["here"].columns)


def test_a_machine_that_dies_loses_no_chunk(
    tiny: ModuleType, cluster: Cluster, ray_nodes: Any, third: Any, tmp_path: Path
) -> None:
    """What was finished is not computed again, and what was under way is gone on with."""
    (tmp_path / "reads").mkdir()
    crops = tiny.crops(6 * ROWS, pause=0.01, told=read_of(tmp_path / "reads"))
    killers: list[threading.Thread] = []

    def kill(done: int, _total: int) -> None:
        if done and not killers:
            killers.append(
                threading.Thread(target=ray_nodes.remove_node, args=(third,), kwargs={"allow_graceful": False})
            )
            killers[0].start()

    where = {"options": OPTIONS, "cluster": cluster, "progress": kill}
    extract_features(tiny.backbone(), crops, tiny.READS, cache=tmp_path / "there", **where)
    killers[0].join()
    extract_features(tiny.backbone(), tiny.crops(6 * ROWS), tiny.READS, cache=tmp_path / "here", options=OPTIONS)
    assert tiny.store_bytes(tmp_path / "there") == tiny.store_bytes(tmp_path / "here")
    reads = [path.read_text().count("read") for path in (tmp_path / "reads").iterdir()]
    assert len(reads) == len(crops)
    assert sum(reads) - len(crops) < 2 * ROWS


def test_a_killed_driver_is_gone_on_with(tiny: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    cache, n = tmp_path / "there", 8 * ROWS
    code = DRIVER.format(tiny=tiny.__file__, address=cluster.address, cache=str(cache), rows=ROWS, n=n)
    cluster.release()  # or the driver waits a while for the cores
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while len(written(cache)) < 4 and driver.poll() is None:
        time.sleep(0.02)
    before = written(cache)
    driver.send_signal(signal.SIGKILL)
    _, said = driver.communicate()
    assert driver.returncode == -signal.SIGKILL, said
    assert 4 <= len(before) < 16  # one picture is never read there
    extract_features(tiny.backbone(), tiny.crops(n), tiny.READS, cache=cache, options=OPTIONS, cluster=cluster)
    after = written(cache)
    assert {path: after[path] for path in before} == before
    extract_features(tiny.backbone(), tiny.crops(n), tiny.READS, cache=tmp_path / "here", options=OPTIONS)
    assert tiny.store_bytes(cache) == tiny.store_bytes(tmp_path / "here")


DRIVER = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("tiny_features", {tiny!r})
tiny = sys.modules["tiny_features"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)
from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.extraction import ExtractOptions
from vestige.features import extract
extract.CHUNK_ROWS = {rows}
ray_library().cloudpickle.register_pickle_by_value(tiny)
where = dict(cache=Path({cache!r}), options=ExtractOptions(batch=4), cluster=Cluster.open({address!r}))
extract.extract(tiny.backbone(), tiny.crops({n}, told=tiny.stuck({n} // 2)), tiny.READS, **where)
"""


def test_a_picture_that_only_the_driver_reaches_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"of whatever")
    reached, never = ImageFile(path), ImageFile(tmp_path / "b.png")
    assert reached.content
    check_reached([Example("a", "a", reached), Example("b", "b", never)])
    path.unlink()
    with pytest.raises(VestigeError, match=r"a\.png: cannot be read on"):
        check_reached([Example("a", "a", reached), Example("b", "b", never)])


def test_one_process_at_a_time_is_at_a_chunk(tiny: ModuleType, tmp_path: Path) -> None:
    """The second waits, finds the chunk there, and has nothing to do; no lock's file stays."""
    (features,) = extract_features(
        tiny.backbone(), tiny.crops(2 * ROWS), tiny.READS[:1], cache=tmp_path, options=OPTIONS
    )
    about = Description.read(features.path)
    features.close()
    chunk = chunk_path(features.path, 1)
    content = chunk.read_bytes()
    chunk.unlink()
    found: list[int] = []

    def second() -> None:
        with chunk_writers([about], 1, tmp_path) as writers:
            found.append(len(writers))

    with chunk_writers([about], 1, tmp_path) as writers:
        assert list(writers) == [about.key]
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert not found
        chunk.write_bytes(content)
    waiting.join()
    assert found == [0]
    assert [path.name for path in (tmp_path / "locks").iterdir()] == [about.key]


def test_lock_files_of_killed_processes_go_with_the_last_chunk(tiny: ModuleType, tmp_path: Path) -> None:
    def extract() -> Any:
        features = extract_features(
            tiny.backbone(), tiny.crops(2 * ROWS), tiny.READS[:1], cache=tmp_path, options=OPTIONS
        )[0]
        features.close()
        return features.path

    store = extract()
    (tmp_path / "locks" / f"{store.name}.0").touch()
    (tmp_path / "locks" / f"{store.name}.1").touch()
    chunk_path(store, 1).unlink()
    (store / "complete.json").unlink()
    assert extract() == store
    assert [path.name for path in (tmp_path / "locks").iterdir()] == [store.name]


def test_a_chunk_that_could_not_be_filled_stays_locked_by_the_same_file(tiny: ModuleType, tmp_path: Path) -> None:
    """Or whoever waits for it and whoever comes later would lock two files, and fill the chunk at once."""
    (features,) = extract_features(tiny.backbone(), tiny.crops(ROWS), tiny.READS[:1], cache=tmp_path, options=OPTIONS)
    about = Description.read(features.path)
    features.close()
    chunk_path(features.path, 0).unlink()
    with pytest.raises(OSError, match="disk"), chunk_writers([about], 0, tmp_path):
        raise OSError("disk")
    assert (tmp_path / "locks" / f"{about.key}.0").exists()


def test_the_device_is_that_of_the_machines(cluster: Cluster) -> None:
    assert device_of(ExtractOptions(device="auto"), cluster).type == "cpu"
    assert device_of(ExtractOptions(device="cpu"), cluster).type == "cpu"
    for device in ("cuda", "mps"):
        with pytest.raises(VestigeError, match="machines of the cluster"):
            device_of(ExtractOptions(device=device), cluster)


ray_library().cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not import tests


class Picture:
    """Noise of any size."""

    def __init__(self, seed: int, size: int) -> None:
        self.seed, self.size = seed, size

    def read(self) -> Any:
        return np.random.default_rng(self.seed).integers(0, 256, (self.size, self.size + 3, 3), dtype=np.uint8)

    def digest(self) -> str:
        return f"noise {self.seed} {self.size}"

"""An S3 server on this machine, and what the tests of object stores share."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest
from moto import server


@dataclass(frozen=True)
class Bucket:
    """A bucket, opened by another way than vestige's."""

    name: str

    @property
    def system(self):
        return fsspec.filesystem("s3", use_listings_cache=False)

    def url(self, path: str) -> str:
        return f"s3://{self.name}/{path}"

    def objects(self, path: str = "") -> dict[str, bytes]:
        """All that lies below a path: name -> content."""
        root = f"{self.name}/{path}".rstrip("/")
        return {found.removeprefix(f"{root}/"): self.system.cat_file(found) for found in self.system.find(root)}

    def put(self, path: str, content: bytes) -> None:
        self.system.pipe_file(f"{self.name}/{path}", content)

    def remove(self, path: str) -> None:
        self.system.rm(f"{self.name}/{path}", recursive=True)

    def upload(self, folder: Path, path: str) -> None:
        for file in (found for found in folder.rglob("*") if found.is_file()):
            self.put(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())


@pytest.fixture(scope="session")
def s3() -> Iterator[Callable[[], Bucket]]:
    """A server, which gives new buckets; the environment names it and gives credentials, to child processes, too."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield _bucket
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    running.stop()


def _bucket() -> Bucket:
    made = Bucket(f"bucket-{secrets.token_hex(4)}")
    made.system.mkdir(made.name)
    return made


@pytest.fixture
def bucket(s3: Callable[[], Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    """A new bucket, in which the cache is; copies go to a folder of this test."""
    made = s3()
    monkeypatch.setenv("VESTIGE_CACHE", made.url("cache"))
    monkeypatch.setenv("VESTIGE_COPIES", str(tmp_path / "machine"))
    return made


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Makes this process one of several machines: one with copies of its own."""
    return lambda name: monkeypatch.setenv("VESTIGE_COPIES", str(tmp_path / name))


@pytest.fixture(scope="session")
def scenes(s3: Callable[[], Bucket], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bucket]:
    """The folder in which the scenes of ``far.py`` were played, and the bucket; both have a folder for each."""
    folder, made = tmp_path_factory.mktemp("far"), s3()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("far.py")), str(folder)],
        env={**os.environ, "VESTIGE_CACHE": f"s3://{made.name}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder, made

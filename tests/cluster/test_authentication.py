"""The token of a cluster is shown where it is asked for, and nowhere else."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from vestige.cluster import head as module
from vestige.cluster.authentication import authentication_of, in_environment, own_authentication
from vestige.cluster.grpc import status_of_call
from vestige.cluster.head import Head
from vestige.errors import VestigeError

# what the heads of clusters of Ray 2.60 answered: settings; then that they are alive, or refuse, or know no such method
SETTINGS = bytes.fromhex("0000120400000000000004004000000005004000000006000040000000040100000000")
ALIVE = (
    b"\x00\x00\x4e\x01\x04\x00\x00\x00\x01\x88\x40\x0ccontent-type\x10application/grpc"
    b"\x40\x14grpc-accept-encoding\x17identity, deflate, gzip"
    b"\x00\x00\x11\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x0c\x0a\x00\x12\x062.60.0\x20\x01"
    b"\x00\x00\x0f\x01\x05\x00\x00\x00\x01\x40\x0bgrpc-status\x010"
)
REFUSED = (
    b"\x00\x00\x7d\x01\x05\x00\x00\x00\x01\x88\x40\x0ccontent-type\x10application/grpc"
    b"\x00\x0bgrpc-status\x0216\x00\x0cgrpc-message\x3eInvalidAuthToken: Authentication token is missing or incorrect"
)
UNKNOWN = b"\x00\x00\x30\x01\x05\x00\x00\x00\x01\x88\x40\x0ccontent-type\x10application/grpc\x40\x0bgrpc-status\x0212"
TOKEN = "a" * 300  # longer than what one byte says the length of


@contextmanager
def answering(token: str, answer: bytes = ALIVE) -> Iterator[tuple[str, int]]:
    """A server that refuses calls without the token, where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    there, _ = server.accept()
                except OSError:
                    return
                with there:
                    asked = b""
                    while not asked.endswith(bytes(5)) or len(asked) < 60:
                        asked += there.recv(4096)
                    there.sendall(SETTINGS)
                    there.sendall(answer if f"Bearer {token}".encode() in asked or not token else REFUSED)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            server.shutdown(socket.SHUT_RDWR)  # or it listens for as long as the thread waits
            thread.join()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def holding(folder: Path, name: str, token: str) -> str:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{token}\n")
    return str(file)


def test_a_token_is_shown_where_it_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(TOKEN) as there, answering("") as open_to_all:
        with pytest.raises(PermissionError, match="there is none here"):
            authentication_of(Head(*there))
        named = holding(home, "elsewhere", TOKEN)
        for name, value in (("RAY_AUTH_TOKEN", TOKEN), ("RAY_AUTH_TOKEN_PATH", named)):
            with monkeypatch.context() as given:
                given.setenv(name, value)
                assert authentication_of(Head(*there)) == {"RAY_AUTH_MODE": "token"}
                assert authentication_of(Head(*open_to_all)) == {"RAY_AUTH_MODE": "disabled"}
        own = holding(home, ".ray/auth_token", "another")
        with pytest.raises(PermissionError, match=own):
            authentication_of(Head(*there))
        assert authentication_of(Head(*open_to_all)) == {"RAY_AUTH_MODE": "disabled"}
        holding(home, ".ray/auth_token", TOKEN)
        assert authentication_of(Head(*there)) == {"RAY_AUTH_MODE": "token"}


def test_of_a_cluster_that_does_not_say_a_token_is_shown_if_there_is_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering("", UNKNOWN) as there:
        assert status_of_call(there, "/a.B/C") == 12
        assert authentication_of(Head(*there)) == {}
        monkeypatch.setenv("RAY_USE_TLS", "1")
        assert authentication_of(Head.of("127.0.0.1:1")) == {}
        holding(home, ".ray/auth_token", TOKEN)
        assert authentication_of(Head.of("127.0.0.1:1")) == {"RAY_AUTH_MODE": "token"}
        monkeypatch.delenv("RAY_USE_TLS")
        assert authentication_of(Head(*there)) == {"RAY_AUTH_MODE": "token"}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", SETTINGS[:5]])
def test_what_is_not_a_cluster_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as ending:

        def serve() -> None:
            there, _ = server.accept()
            with there:
                there.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        ending.callback(thread.join)
        with pytest.raises(OSError, match=r"gRPC|reset"):
            status_of_call(server.getsockname(), "/a.B/C")


def test_a_started_cluster_has_a_token_that_stays_in_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = own_authentication(), own_authentication()
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first != second
    with in_environment(first):
        assert {name: os.environ[name] for name in first} == first
    assert not first.keys() & os.environ.keys()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a choice of the user's own stays
    assert own_authentication()["RAY_AUTH_MODE"] == "disabled"
    with in_environment(first):
        assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_head_that_is_gone_for_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    with answering("") as there:
        head = Head(*there)
        assert head.is_there()
    assert not head.is_there()
    now[0] = module.GONE_SECONDS - 1
    assert not head.is_there()
    assert not head.gone
    with pytest.raises(VestigeError, match=str(there[1])):
        head.wait()
    assert head.gone
    assert now[0] == module.GONE_SECONDS
    with answering("") as again:
        head.address = again
        head.wait()
    head.address = there
    assert not head.is_there()  # counted anew


def test_addresses_of_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Head.of(address) for address in ("[::1]:6379", "a.b:1", "local", "nowhere", "ray://a:1", ":1", "a:b")]
    assert [each and each.address for each in found] == [("::1", 6379), ("a.b", 1), *([None] * 5)]
    monkeypatch.setenv("RAY_USE_TLS", "1")
    assert Head.of("a.b:1") is None

"""As much of gRPC as tells whether a server is there, and whether it lets one in: a call without a message.

Ray's own client tries for minutes where nobody listens, and writes to standard error where a token is refused.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping

OK = 0
"""The status of a call that was answered."""

UNAUTHENTICATED = 16
"""The status of a call whose token is missing or wrong."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4  # kinds of frames
_END_STREAM, _END_HEADERS = 1, 4  # flags of frames
_FRAME_BYTES = 9  # before what a frame holds
_NO_MESSAGE = bytes(5)  # whether it is compressed, and its length
_STATUS = re.compile(rb"grpc-status[\x01\x02](\d+)")  # a name, and the length of a value
_LARGEST_ANSWER = 2**16
_LONG = 127  # from where on the length of a name or a value takes more bytes


def status_of_call(
    address: tuple[str, int], method: str, metadata: Mapping[str, str] = {}, seconds: float = 10.0
) -> int | None:
    """The status with which a server answers a call; None where it does not say one that is understood.

    Args:
        address: host and port.
        method: ``/package.Service/Method``.
        metadata: sent with the call; names in small letters.
        seconds: for which is waited, for a connection and for each piece of an answer.

    Raises:
        OSError: where nobody listens, or one who does not speak gRPC.
    """
    headers = {":method": "POST", ":scheme": "http", ":path": method, ":authority": address[0]}
    headers |= {"te": "trailers", "content-type": "application/grpc", **metadata}
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())  # none is indexed
    call = _frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, _NO_MESSAGE)
    with socket.create_connection(address, seconds) as there:
        there.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + call)
        for answer in _answers(there):
            if found := _STATUS.search(answer):
                return int(found[1])
    return None


def _answers(there: socket.socket) -> Iterator[bytes]:
    """What has been answered so far, again and again.

    Raises:
        OSError: where it does not begin as HTTP/2 does.
    """
    answer = b""
    while len(answer) < _LARGEST_ANSWER and (more := there.recv(_LARGEST_ANSWER)):
        answer += more
        if len(answer) >= _FRAME_BYTES and answer[3] != _SETTINGS:
            break
        yield answer
    if len(answer) < _FRAME_BYTES or answer[3] != _SETTINGS:
        raise ConnectionError("what listens there does not speak gRPC")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """A name or a value after its length (RFC 7541, 5.1 and 5.2)."""
    value = text.encode()
    left = len(value) - _LONG
    if left < 0:
        return bytes((len(value),)) + value
    length = bytearray((_LONG,))
    while left >= 128:
        length.append(left % 128 + 128)
        left //= 128
    return bytes((*length, left)) + value

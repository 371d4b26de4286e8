"""Who may do what: personal links, the key of whoever runs the application, sessions, and what guards forms.

All of it is signed with the store's secret, so that it outlives the process, and nothing has to be kept of it but which
links are valid (:class:`vestige.units.annotate.invitations.Invitations`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True)
class Session:
    """A browser that has been here.

    Attributes:
        id: made up when it came first.
        name: of the annotator; "" before there is one.
        owner: whether it came with the key.
        link: the number of the personal link by which it came; 0 where it came by none.
    """

    id: str
    name: str = ""
    owner: bool = False
    link: int = 0


@dataclass(frozen=True)
class Access:
    """Signs and checks.

    Attributes:
        secret: of the store.
        guarded: whether nobody gets in without the key or a personal link.
    """

    secret: bytes
    guarded: bool

    @property
    def key(self) -> str:
        """That of whoever runs the application."""
        return self._signature("key", "")

    @property
    def cookie(self) -> str:
        """The name of the cookie, another for each store: browsers do not keep the ports of one machine apart."""
        return f"vestige-{self._signature('cookie', '')[:8]}"

    def is_key(self, text: str) -> bool:
        """Whether a text is the key."""
        return _equal(text, self.key)

    def personal(self, name: str, number: int) -> str:
        """The end of someone's own link of a number."""
        text = json.dumps([name, number])
        return f"{_packed(text)}.{self._signature('link', text)}"

    def named(self, link: str) -> tuple[str, int] | None:
        """Whose link it is, and its number; None where it is nobody's."""
        packed, _, signature = link.partition(".")
        text = _unpacked(packed)
        if text is None or not _equal(signature, self._signature("link", text)):
            return None
        name, number = json.loads(text)
        return name, number

    def opened(self, *, name: str = "", owner: bool = False, link: int = 0) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(12), name, owner or not self.guarded, link)

    def sealed(self, session: Session) -> str:
        """A session as its cookie holds it."""
        text = json.dumps([session.id, session.name, session.owner, session.link])
        return f"{_packed(text)}.{self._signature('session', text)}"

    def session(self, cookie: str) -> Session | None:
        """The session that a cookie holds; None where it is none of this store's."""
        packed, _, signature = cookie.partition(".")
        text = _unpacked(packed)
        if text is None or not _equal(signature, self._signature("session", text)):
            return None
        id, name, owner, *link = json.loads(text)
        return Session(id, name, owner or not self.guarded, *link) if link else None  # of an older version

    def csrf(self, session: Session) -> str:
        """What a session's forms send back."""
        return self._signature("form", session.id)

    def is_form_of(self, session: Session, csrf: str) -> bool:
        """Whether a form is one of a session's own."""
        return _equal(csrf, self.csrf(session))

    def _signature(self, what: str, text: str) -> str:
        return hmac.new(self.secret, f"{what}:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _packed(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpacked(packed: str) -> str | None:
    try:
        return urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except ValueError:
        return None

"""Ways to fail, sorted by who must act; it never prints a control character."""

from ike.registry import NotifyType


class IkeError(Exception):
    """A failure with a stable dotted `code` and a `detail`: one English clause, safe to print."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = printable(detail)
        super().__init__(f"{code}: {self.detail}")


class ConfigError(IkeError):
    """What we were told to do cannot be done; the policy or the caller must change."""


class PeerError(IkeError):
    """The peer sent something we must refuse.

    `notify` and `notify_data` are what to tell the peer once it is authenticated.
    Before that the datagram is dropped in silence, for anyone could have sent it
    (RFC 7296 §2.21.1).
    """

    def __init__(self, code: str, detail: str, notify: NotifyType | None = None, notify_data: bytes = b"") -> None:
        super().__init__(code, detail)
        self.notify = notify
        self.notify_data = notify_data


class MalformedError(PeerError):
    """The bytes do not follow the format."""

    def __init__(self, detail: str, notify: NotifyType | None = NotifyType.INVALID_SYNTAX) -> None:
        super().__init__("peer.malformed", detail, notify)


class IntegrityError(PeerError):
    """A protected datagram was not proven to come from the peer: drop it, nothing else (RFC 7296 §2.21.4)."""

    def __init__(self, detail: str) -> None:
        super().__init__("peer.integrity", detail)


def printable(text: str | bytes) -> str:
    """Escape whatever could steer a terminal or a log: control characters, bidi marks, bytes that are not UTF-8."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

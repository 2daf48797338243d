"""Ways to fail, sorted by who must act; it never prints a control character."""

from ike.registry import NotifyType


class IkeError(Exception):
    """A failure with a stable dotted `code` and a `detail`: one English clause, safe to print.

    A kind of failure that deserves its own code is a subclass that sets `code`, or says it when raised.
    """

    code: str = "ike"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        self.detail = printable(detail)
        self.code = code or self.code
        super().__init__(f"{self.detail} [{self.code}]")


class ConfigError(IkeError):
    """What we were told to do cannot be done; the policy or the caller must change."""

    code = "config"


class PeerError(IkeError):
    """The peer sent something we must refuse.

    `notify` and `notify_data` are what to tell the peer once it is authenticated.
    Before that the datagram is dropped in silence, for anyone could have sent it
    (RFC 7296 §2.21.1).
    """

    code = "peer.malformed"

    def __init__(
        self, detail: str, *, code: str | None = None, notify: NotifyType | None = None, notify_data: bytes = b""
    ) -> None:
        super().__init__(detail, code=code)
        self.notify = notify
        self.notify_data = notify_data


class MalformedError(PeerError):
    """The bytes do not follow the format (RFC 7296 §2.21)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, notify=NotifyType.INVALID_SYNTAX)


def printable(text: str | bytes) -> str:
    """Escape whatever could steer a terminal or a log: control characters, bidi marks, bytes that are not UTF-8."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

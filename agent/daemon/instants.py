"""How instants are written for programs. It reads no clock."""

from datetime import UTC, datetime


def iso(at: float) -> str:
    """Write an instant (seconds since 1970) in ISO 8601, in UTC and to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")

"""Instants as the service writes them, in local time. It reads no clock."""

from datetime import datetime, timedelta

from agent.control.client import foreign


def local(at: str, ago: float = 0.0) -> datetime:
    """Give the local time of so many seconds before an instant; what is none is the service's mistake."""
    try:
        told = datetime.fromisoformat(at)
        if told.tzinfo is None:
            raise ValueError(at)
        return (told - timedelta(seconds=ago)).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise foreign("a time in its answer is none") from error

"""The ESP data plane: one Rust crate and its typed face."""

from esp._native import frame, unframe

__all__ = ["frame", "unframe"]

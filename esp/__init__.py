"""The ESP data plane: one Rust crate and its typed face."""

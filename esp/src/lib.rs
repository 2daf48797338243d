//! The ESP data plane of Sekisho: one thread between a TUN device and a UDP socket.
//!
//! Pure modules (`frame`) know neither Python nor the kernel.

pub mod error;
pub mod frame;
#[cfg(feature = "python")]
mod python;

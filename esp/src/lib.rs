//! The ESP data plane of Sekisho: one thread between a TUN device and a UDP socket.
//!
//! `pump` is the loop and `handle` what others hold of it; `tun` and `udp` are the
//! descriptors. `sa` joins the pure modules `packet`, `replay`, `selector` and
//! `cipher`, which know neither Python nor the kernel. `python` is the only one that knows Python.

pub mod checksum;
pub mod cipher;
pub mod error;
pub mod frame;
pub mod handle;
pub mod join;
pub mod offload;
pub mod packet;
pub mod pump;
#[cfg(feature = "python")]
mod python;
pub mod replay;
pub mod sa;
pub mod selector;
pub mod split;
pub mod tally;
pub mod tun;
pub mod udp;

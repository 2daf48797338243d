//! The ESP data plane of Sekisho: one thread between a TUN device and a UDP socket.
//!
//! - `pump` is the loop, `carry` the way of one packet through it, `handle` what others hold of it;
//! - `tun`, `udp`, `incoming` and `outgoing` are the descriptors;
//! - `sas` are the SAs of a pump; `sa` is one direction of one, made of `cipher`, `packet`, `replay` and `selector`;
//! - `offload`, `split`, `join` and `checksum` take the kernel's super-packets apart and together;
//! - `python` is the only one that knows Python, and only the first two lines know the kernel.

pub mod carry;
pub mod checksum;
pub mod cipher;
pub mod error;
pub mod frame;
pub mod handle;
pub mod incoming;
pub mod join;
pub mod offload;
pub mod outgoing;
pub mod packet;
pub mod pump;
#[cfg(feature = "python")]
mod python;
pub mod replay;
pub mod sa;
#[cfg(test)]
mod samples;
pub mod sas;
pub mod selector;
pub mod split;
pub mod tally;
pub mod tun;
pub mod udp;

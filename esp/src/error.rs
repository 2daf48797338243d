//! Knows why a call from Python is refused. Never describes a packet: those are counted.

use std::fmt;
use std::io;

/// A refusal, worded for the caller.
#[derive(Debug)]
pub enum Error {
    /// No such cipher.
    Cipher(String),
    /// The key is not as long as the cipher's key and salt.
    KeySize {
        /// Bytes the cipher needs, with its salt.
        wanted: usize,
        /// Bytes given.
        given: usize,
    },
    /// RFC 4303 §2.1 reserves SPIs 0 to 255.
    ReservedSpi(u32),
    /// An inbound SA has this SPI already; a second one would forget what was received.
    SpiInUse(u32),
    /// An inbound SA with this key was removed; its window is forgotten, and so what was received.
    KeySpent(u32),
    /// A time between keepalives that is none.
    Keepalive,
    /// A selector that no packet could match.
    Selector(&'static str),
    /// A frame shorter than its header.
    ShortFrame(usize),
    /// A frame of an unknown address family.
    FrameFamily(u8),
    /// The pump was never started, was stopped, or has failed.
    NotRunning,
    /// The pump was started before.
    AlreadyStarted,
    /// A sequence number outside 1 to 2^32 - 1.
    Sequence,
    /// A packet was refused, with the name of the cause.
    Packet(&'static str),
    /// The kernel refused.
    Kernel(&'static str, io::Error),
}

/// A result whose refusal is an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cipher(name) => write!(f, "no such cipher: {name:?}"),
            Self::KeySize { wanted, given } => write!(f, "the key and salt must be {wanted} bytes, not {given}"),
            Self::ReservedSpi(spi) => write!(f, "SPI {spi} is reserved"),
            Self::SpiInUse(spi) => write!(f, "an inbound SA has the SPI {spi} already"),
            Self::KeySpent(spi) => write!(f, "the key of the inbound SA {spi} was removed before"),
            Self::Keepalive => f.write_str("keepalive must be at least 0.01 seconds"),
            Self::Selector(why) => write!(f, "selector refused: {why}"),
            Self::ShortFrame(length) => write!(f, "a frame of {length} bytes is shorter than its header"),
            Self::FrameFamily(family) => write!(f, "a frame of the unknown address family {family}"),
            Self::NotRunning => f.write_str("the pump is not running"),
            Self::AlreadyStarted => f.write_str("the pump was started before"),
            Self::Sequence => f.write_str("the sequence number must be from 1 to 2^32 - 1"),
            Self::Packet(cause) => write!(f, "packet refused: {cause}"),
            Self::Kernel(what, why) => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

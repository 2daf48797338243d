//! Knows what the pump counts, and every cause for which it drops. Never decides to drop.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a packet went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Inbound: too short to be ESP (RFC 4303 §2).
    NotEsp,
    /// Inbound: no SA has this SPI (RFC 4303 §3.4.2).
    UnknownSpi,
    /// Inbound: seen before, or left of the window (RFC 4303 §3.4.3).
    Replayed,
    /// Inbound: the integrity check failed (RFC 4303 §3.4.4).
    Forged,
    /// Inbound: next header 59, traffic made only to hide traffic (RFC 4303 §2.6).
    Dummy,
    /// Inbound: the opened bytes are no IP packet.
    InboundMalformed,
    /// Inbound: the inner packet is outside the SA's selectors (RFC 4301 §5.2).
    InboundSelector,
    /// Inbound: the TUN device took no packet because it is down.
    TunDown,
    /// Inbound: the TUN device refused the packet.
    TunRefused,
    /// Inbound: the IKE side reads too slowly.
    IkeBacklog,
    /// Inbound: the UDP socket reported an error instead of a datagram.
    ReceiveFailed,
    /// Outbound: no SA is installed.
    NoSa,
    /// Outbound: what came from the TUN device is no whole IP packet.
    OutboundMalformed,
    /// Outbound: the packet is outside the SA's selectors (RFC 4301 §5.1).
    OutboundSelector,
    /// Outbound: the SA has no sequence number left (RFC 4303 §3.3.3).
    Exhausted,
    /// Outbound: larger than the path allows.
    TooBig,
    /// Outbound: no way to the peer.
    Unreachable,
    /// Outbound: the socket's buffer or the device's queue is full.
    Congested,
    /// Outbound: refused by the kernel for another reason.
    SendFailed,
    /// Outbound: a frame from the IKE side that is none.
    IkeFrame,
}

impl Cause {
    /// Every cause, in the order in which they are numbered.
    pub const ALL: [Self; 20] = [
        Self::NotEsp,
        Self::UnknownSpi,
        Self::Replayed,
        Self::Forged,
        Self::Dummy,
        Self::InboundMalformed,
        Self::InboundSelector,
        Self::TunDown,
        Self::TunRefused,
        Self::IkeBacklog,
        Self::ReceiveFailed,
        Self::NoSa,
        Self::OutboundMalformed,
        Self::OutboundSelector,
        Self::Exhausted,
        Self::TooBig,
        Self::Unreachable,
        Self::Congested,
        Self::SendFailed,
        Self::IkeFrame,
    ];

    /// Give the name under which the cause is reported.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotEsp => "not_esp",
            Self::UnknownSpi => "unknown_spi",
            Self::Replayed => "replayed",
            Self::Forged => "forged",
            Self::Dummy => "dummy",
            Self::InboundMalformed => "inbound_malformed",
            Self::InboundSelector => "inbound_selector",
            Self::TunDown => "tun_down",
            Self::TunRefused => "tun_refused",
            Self::IkeBacklog => "ike_backlog",
            Self::ReceiveFailed => "receive_failed",
            Self::NoSa => "no_sa",
            Self::OutboundMalformed => "outbound_malformed",
            Self::OutboundSelector => "outbound_selector",
            Self::Exhausted => "exhausted",
            Self::TooBig => "too_big",
            Self::Unreachable => "unreachable",
            Self::Congested => "congested",
            Self::SendFailed => "send_failed",
            Self::IkeFrame => "ike_frame",
        }
    }
}

/// A number with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Add; only the pump's thread may, so no locked instruction is needed.
    pub fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }

    /// Replace the number.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Read the number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All that the pump counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Inner packets given to the TUN device, and their bytes.
    pub packets_in: Count,
    /// See `packets_in`.
    pub bytes_in: Count,
    /// Inner packets sealed and offered to the kernel, and their bytes; what it refuses is counted as dropped too.
    pub packets_out: Count,
    /// See `packets_out`.
    pub bytes_out: Count,
    /// System calls that brought datagrams, and that took some away.
    pub batches_in: Count,
    /// See `batches_in`.
    pub batches_out: Count,
    /// The boot clock's milliseconds at the last authentic packet; 0 before any.
    pub last_inbound: Count,
    drops: [Count; Cause::ALL.len()],
}

impl Tally {
    /// Count packets dropped for one cause.
    pub fn count_drop(&self, cause: Cause, packets: u64) {
        self.drops[cause as usize].add(packets);
    }

    /// Say how many packets were dropped for a cause.
    pub fn dropped(&self, cause: Cause) -> u64 {
        self.drops[cause as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_causes_is_in_the_order_of_their_numbers() {
        assert!(Cause::ALL.iter().enumerate().all(|(index, cause)| *cause as usize == index));
    }
}

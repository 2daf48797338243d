//! Knows the header that the kernel puts before a packet which it left unfinished. Never finishes one.
//!
//! ```text
//! +-------+------+---------------+--------------+----------------+-----------------+
//! | flags | kind | header length | segment size | checksum start | checksum offset |
//! +-------+------+---------------+--------------+----------------+-----------------+
//!     1      1          2               2               2                2      (virtio, 10 bytes)
//! ```

/// What is left to do with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// How to cut the packet.
    pub kind: Kind,
    /// How much of the packet is headers; only a hint, and wrong on forwarded packets.
    pub headers: u16,
    /// Payload bytes of each segment.
    pub segment: u16,
    /// Where the checksum starts to count, and behind that the place for it; none if it is done.
    pub checksum: Option<(u16, u16)>,
}

/// How a packet is to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Not at all.
    #[default]
    Whole,
    /// As TCP over IPv4.
    Tcp4,
    /// As TCP over IPv6.
    Tcp6,
}

impl Offload {
    /// Read the header; `None` if it asks for what we never offered.
    pub fn read(header: [u8; OFFLOAD_SIZE]) -> Option<Self> {
        let [flags, kind, a, b, c, d, e, f, g, h] = header;
        let kind = match kind & !ECN {
            0 => Kind::Whole,
            TCP4 => Kind::Tcp4,
            TCP6 => Kind::Tcp6,
            _ => return None,
        };
        let places = (u16::from_ne_bytes([e, f]), u16::from_ne_bytes([g, h]));
        Some(Self {
            kind,
            headers: u16::from_ne_bytes([a, b]),
            segment: u16::from_ne_bytes([c, d]),
            checksum: (flags & NEEDS_CHECKSUM != 0).then_some(places),
        })
    }

    /// Write the header.
    pub fn bytes(self) -> [u8; OFFLOAD_SIZE] {
        let kind = match self.kind {
            Kind::Whole => 0,
            Kind::Tcp4 => TCP4,
            Kind::Tcp6 => TCP6,
        };
        let (start, offset) = self.checksum.unwrap_or_default();
        let [a, b] = self.headers.to_ne_bytes();
        let [c, d] = self.segment.to_ne_bytes();
        let [e, f] = start.to_ne_bytes();
        let [g, h] = offset.to_ne_bytes();
        [if self.checksum.is_some() { NEEDS_CHECKSUM } else { 0 }, kind, a, b, c, d, e, f, g, h]
    }
}

// Fixed by the kernel (linux/virtio_net.h).

/// Bytes of the header.
pub const OFFLOAD_SIZE: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const TCP4: u8 = 1;
const TCP6: u8 = 4;
const ECN: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_gives_back_what_was_written(headers: u16, segment: u16, checksum: Option<(u16, u16)>) {
            for kind in [Kind::Whole, Kind::Tcp4, Kind::Tcp6] {
                let offload = Offload { kind, headers, segment, checksum };
                prop_assert_eq!(Offload::read(offload.bytes()), Some(offload));
            }
        }
    }

    #[test]
    fn a_kind_we_never_offered_is_refused() {
        assert_eq!(Offload::read([0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}

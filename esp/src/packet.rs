//! Knows how an ESP packet in tunnel mode is laid out (RFC 4303 §2). Never sees a key.
//!
//! ```text
//! +-----+----------+----+--------------+---------+------------+-------------+-----+
//! | SPI | sequence | IV | inner packet | padding | pad length | next header | ICV |
//! +-----+----------+----+--------------+---------+------------+-------------+-----+
//!    4       4       8                                 1             1         16
//! ```

use crate::tally::Cause;

/// What an ESP packet says in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The receiver's name for the SA.
    pub spi: u32,
    /// The low half of the sequence number.
    pub sequence: u32,
}

impl Header {
    /// Read the header of a datagram that is long enough to be ESP.
    pub fn read(datagram: &[u8]) -> Result<Self, Cause> {
        if datagram.len() < HEADER_SIZE + IV_SIZE + ALIGNMENT + ICV_SIZE {
            return Err(Cause::NotEsp);
        }
        let [a, b, c, d, e, f, g, h] = *datagram.first_chunk().ok_or(Cause::NotEsp)?;
        Ok(Self { spi: u32::from_be_bytes([a, b, c, d]), sequence: u32::from_be_bytes([e, f, g, h]) })
    }

    /// Give the header's bytes, which are also what the ICV covers besides the text (RFC 4106 §5).
    pub fn bytes(self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[..4].copy_from_slice(&self.spi.to_be_bytes());
        bytes[4..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }
}

/// Give the next header of an inner packet, if its own length agrees with what there is of it.
pub fn next_header(inner: &[u8]) -> Option<u8> {
    let next = match inner.first()? >> 4 {
        4 => IPV4,
        6 => IPV6,
        _ => return None,
    };
    (total_length(inner)? == inner.len()).then_some(next)
}

/// Say how long the text is that carries an inner packet of a given length.
pub fn text_size(inner: usize) -> usize {
    (inner + TRAILER_SIZE).next_multiple_of(ALIGNMENT)
}

/// Write padding and trailer behind an inner packet; `text` is as long as `text_size` said.
pub fn write_trailer(text: &mut [u8], inner: usize, next_header: u8) {
    let padding = text.len() - inner - TRAILER_SIZE;
    for (value, byte) in (1..).zip(&mut text[inner..inner + padding]) {
        *byte = value;
    }
    text[inner + padding..].copy_from_slice(&[padding as u8, next_header]);
}

/// Give the inner packet of an authentic text.
///
/// Bytes between its end and the padding hide its length and are ignored (RFC 4303 §2.7).
pub fn inner(text: &[u8]) -> Result<&[u8], Cause> {
    let (carried, [padding, next]) = text.split_last_chunk().ok_or(Cause::InboundMalformed)?;
    if *next == NO_NEXT_HEADER {
        return Err(Cause::Dummy);
    }
    let end = carried.len().checked_sub((*padding).into()).ok_or(Cause::InboundMalformed)?;
    let carried = &carried[..end];
    let version = carried.first().map(|first| first >> 4);
    if !matches!((*next, version), (IPV4, Some(4)) | (IPV6, Some(6))) {
        return Err(Cause::InboundMalformed);
    }
    total_length(carried).and_then(|length| carried.get(..length)).ok_or(Cause::InboundMalformed)
}

/// Read how long an IP packet says it is; never less than its fixed header.
fn total_length(packet: &[u8]) -> Option<usize> {
    let field = |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
    match packet.first()? >> 4 {
        4 => field(2).filter(|length| *length >= V4_HEADER_SIZE),
        _ => field(4).map(|length| length + V6_HEADER_SIZE),
    }
}

// Fixed by RFC 4303, RFC 4106, RFC 7634, RFC 791 and RFC 8200.

/// SPI and sequence number.
pub const HEADER_SIZE: usize = 8;
/// The explicit part of the nonce.
pub const IV_SIZE: usize = 8;
/// The integrity check value of every AEAD we use.
pub const ICV_SIZE: usize = 16;
/// Where the inner packet begins.
pub const TEXT_AT: usize = HEADER_SIZE + IV_SIZE;
/// The most that ESP adds to an inner packet.
pub const OVERHEAD: usize = TEXT_AT + TRAILER_SIZE + ALIGNMENT - 1 + ICV_SIZE;

const TRAILER_SIZE: usize = 2;
const ALIGNMENT: usize = 4;
const IPV4: u8 = 4;
const IPV6: u8 = 41;
const NO_NEXT_HEADER: u8 = 59;
const V4_HEADER_SIZE: usize = 20;
const V6_HEADER_SIZE: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(length: usize) -> Vec<u8> {
        let mut packet = vec![7; length];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet
    }

    fn v6(length: usize) -> Vec<u8> {
        let mut packet = vec![7; length];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        packet
    }

    fn text(packet: &[u8], next: u8) -> Vec<u8> {
        let mut text = packet.to_vec();
        text.resize(text_size(packet.len()), 0);
        write_trailer(&mut text, packet.len(), next);
        text
    }

    proptest! {
        #[test]
        fn a_packet_comes_back_out_of_its_text(length in 40usize..1500, six: bool) {
            let packet = if six { v6(length) } else { v4(length) };
            let text = text(&packet, next_header(&packet).unwrap());
            prop_assert_eq!(text.len() % ALIGNMENT, 0);
            prop_assert_eq!(inner(&text), Ok(packet.as_slice()));
        }

        #[test]
        fn any_bytes_are_a_text_or_refused(text: Vec<u8>) {
            let _ = inner(&text);
            let _ = next_header(&text);
            let _ = Header::read(&text);
        }

        #[test]
        fn a_header_gives_back_its_bytes(spi: u32, sequence: u32) {
            let mut datagram = Header { spi, sequence }.bytes().to_vec();
            datagram.resize(64, 0);
            prop_assert_eq!(Header::read(&datagram), Ok(Header { spi, sequence }));
        }
    }

    #[test]
    fn padding_counts_up_from_one() {
        assert_eq!(text(&v4(23), IPV4)[23..], [1, 2, 3, 3, 4]);
    }

    #[test]
    fn bytes_that_hide_the_length_are_ignored() {
        let mut padded = v4(40);
        padded.extend([0; 100]);
        assert_eq!(inner(&text(&padded, IPV4)), Ok(v4(40).as_slice()));
    }

    #[test]
    fn a_dummy_packet_is_dropped_whatever_it_carries() {
        assert_eq!(inner(&text(&[0xff; 10], NO_NEXT_HEADER)), Err(Cause::Dummy));
    }

    #[test]
    fn the_next_header_must_agree_with_the_packet() {
        assert_eq!(inner(&text(&v4(40), IPV6)), Err(Cause::InboundMalformed));
        assert_eq!(inner(&text(&v6(60), IPV4)), Err(Cause::InboundMalformed));
        assert_eq!(inner(&text(&v4(40), 6)), Err(Cause::InboundMalformed));
    }

    #[test]
    fn a_packet_longer_than_its_text_is_refused() {
        assert_eq!(inner(&text(&v4(40)[..30], IPV4)), Err(Cause::InboundMalformed));
        assert_eq!(inner(&[0x45, 255, 4]), Err(Cause::InboundMalformed));
        assert_eq!(next_header(&v4(40)[..39]), None);
    }
}

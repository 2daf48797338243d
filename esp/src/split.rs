//! Knows how to cut the super-packet of the kernel into packets for the wire. Never opens a device.

use std::ops::Range;

use crate::checksum::{fold, pseudo, sum};
use crate::offload::{Kind, Offload};
use crate::tally::Cause;

/// A packet from the TUN device on its way to become one or many.
#[derive(Debug)]
pub struct Split<'packet> {
    packet: &'packet [u8],
    cut: Cut,
    next: usize,
}

/// How a packet is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Left whole, its checksum to be finished where the pair says.
    Whole(Option<(usize, usize)>),
    /// Cut as TCP.
    Tcp(Tcp),
}

/// Where the parts of a TCP packet are, and how long a segment is.
#[derive(Clone, Copy, Debug)]
struct Tcp {
    four: bool,
    transport: usize,
    headers: usize,
    segment: usize,
}

impl<'packet> Split<'packet> {
    /// Look at a packet; no piece of it will be longer than `limit`.
    ///
    /// The lengths come from the packet itself: the kernel's own hint is wrong on forwarded packets.
    pub fn new(offload: Offload, packet: &'packet [u8], limit: usize) -> Result<Self, Cause> {
        let (cut, largest) = match offload.kind {
            Kind::Whole => (whole(offload, packet).ok_or(Cause::OutboundMalformed)?, packet.len()),
            Kind::Tcp4 | Kind::Tcp6 => {
                let tcp = Tcp::of(offload, packet).ok_or(Cause::OutboundMalformed)?;
                (Cut::Tcp(tcp), packet.len().min(tcp.headers + tcp.segment))
            }
        };
        if largest > limit { Err(Cause::TooBig) } else { Ok(Self { packet, cut, next: 0 }) }
    }

    /// Write the next piece at the start of the room and give its length; `None` behind the last one.
    pub fn write_next(&mut self, room: &mut [u8]) -> Option<usize> {
        let index = self.next;
        self.next += 1;
        match self.cut {
            Cut::Whole(checksum) => (index == 0).then(|| write_whole(self.packet, checksum, room)),
            Cut::Tcp(tcp) => {
                let payload = tcp.payload(self.packet.len(), index)?;
                Some(tcp.write(self.packet, payload, index, room))
            }
        }
    }
}

fn whole(offload: Offload, packet: &[u8]) -> Option<Cut> {
    let Some((start, offset)) = offload.checksum else { return Some(Cut::Whole(None)) };
    let (start, place) = (usize::from(start), usize::from(start) + usize::from(offset));
    (place + 2 <= packet.len()).then_some(Cut::Whole(Some((start, place))))
}

fn write_whole(packet: &[u8], checksum: Option<(usize, usize)>, room: &mut [u8]) -> usize {
    let piece = &mut room[..packet.len()];
    piece.copy_from_slice(packet);
    if let Some((start, place)) = checksum {
        // The place holds the pseudo header's sum already. A UDP checksum of 0 would mean none (RFC 768).
        let value = !fold(sum(&piece[start..]));
        let value = if value == 0 { u16::MAX } else { value };
        piece[place..place + 2].copy_from_slice(&value.to_ne_bytes());
    }
    packet.len()
}

impl Tcp {
    fn of(offload: Offload, packet: &[u8]) -> Option<Self> {
        let four = offload.kind == Kind::Tcp4;
        let (version, least) = if four { (4, V4_HEADER_SIZE) } else { (6, V6_HEADER_SIZE) };
        let first = *packet.first()?;
        let transport = if four { usize::from(first & 15) * 4 } else { offload.checksum?.0.into() };
        let size = usize::from(*packet.get(transport + 12)? >> 4) * 4;
        let headers = transport + size;
        let segment = usize::from(offload.segment);
        let sound = first >> 4 == version
            && transport >= least
            && size >= TCP_HEADER_SIZE
            && segment > 0
            && headers < packet.len()
            && packet.len() <= MAX_PACKET;
        sound.then_some(Self { four, transport, headers, segment })
    }

    fn payload(&self, length: usize, index: usize) -> Option<Range<usize>> {
        let start = self.headers + index * self.segment;
        (start < length).then(|| start..length.min(start + self.segment))
    }

    fn write(&self, packet: &[u8], payload: Range<usize>, index: usize, room: &mut [u8]) -> usize {
        let last = payload.end == packet.len();
        let length = self.headers + payload.len();
        let piece = &mut room[..length];
        piece[..self.headers].copy_from_slice(&packet[..self.headers]);
        piece[self.headers..].copy_from_slice(&packet[payload]);
        self.number_ip(piece, index);
        self.number_tcp(&mut piece[self.transport..], index, last);
        let addresses = if self.four { V4_ADDRESSES } else { V6_ADDRESSES };
        let covered = pseudo(&piece[addresses], TCP, length - self.transport) + sum(&piece[self.transport..]);
        let place = self.transport + TCP_CHECKSUM;
        piece[place..place + 2].copy_from_slice(&(!fold(covered)).to_ne_bytes());
        length
    }

    fn number_ip(&self, piece: &mut [u8], index: usize) {
        let length = piece.len();
        if !self.four {
            piece[4..6].copy_from_slice(&((length - V6_HEADER_SIZE) as u16).to_be_bytes());
            return;
        }
        let id = u16::from_be_bytes([piece[4], piece[5]]).wrapping_add(index as u16);
        piece[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        piece[4..6].copy_from_slice(&id.to_be_bytes());
        piece[10..12].fill(0);
        let checksum = !fold(sum(&piece[..self.transport]));
        piece[10..12].copy_from_slice(&checksum.to_ne_bytes());
    }

    /// FIN and PSH belong to the last segment, CWR to the first (RFC 3168 §6.1.2).
    fn number_tcp(&self, tcp: &mut [u8], index: usize, last: bool) {
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let sequence = sequence.wrapping_add((index * self.segment) as u32);
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        if !last {
            tcp[13] &= !(FIN | PSH);
        }
        if index > 0 {
            tcp[13] &= !CWR;
        }
        tcp[TCP_CHECKSUM..TCP_CHECKSUM + 2].fill(0);
    }
}

// Fixed by RFC 791, RFC 8200 and RFC 9293.

const V4_HEADER_SIZE: usize = 20;
const V6_HEADER_SIZE: usize = 40;
const TCP_HEADER_SIZE: usize = 20;
const V4_ADDRESSES: Range<usize> = 12..20;
const V6_ADDRESSES: Range<usize> = 8..40;
const TCP: u8 = 6;
const TCP_CHECKSUM: usize = 16;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
const MAX_PACKET: usize = u16::MAX as usize + V6_HEADER_SIZE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::is_right;
    use crate::samples::pieces;
    use proptest::prelude::*;

    fn offload(kind: Kind, segment: u16, checksum: Option<(u16, u16)>) -> Offload {
        Offload { kind, headers: 0, segment, checksum }
    }

    fn tcp4(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[32] = 0x50;
        packet[33] = flags;
        packet.extend(payload);
        packet
    }

    #[test]
    fn every_piece_is_a_packet_of_its_own() {
        let pieces = pieces(offload(Kind::Tcp4, 1000, Some((20, 16))), &tcp4(0x10, &[9; 2300]));
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1040, 1040, 340]);
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(usize::from(u16::from_be_bytes([piece[2], piece[3]])), piece.len());
            assert_eq!(usize::from(piece[5]), index, "identification");
            assert_eq!(piece[24..28], (index as u32 * 1000).to_be_bytes(), "sequence number");
            assert!(is_right(sum(&piece[..20])));
            assert!(is_right(pseudo(&piece[12..20], TCP, piece.len() - 20) + sum(&piece[20..])));
        }
    }

    #[test]
    fn fin_and_push_stay_on_the_last_piece_and_cwr_on_the_first() {
        let pieces = pieces(offload(Kind::Tcp4, 1000, Some((20, 16))), &tcp4(0x10 | FIN | PSH | CWR, &[9; 2300]));
        assert_eq!(pieces.iter().map(|piece| piece[33]).collect::<Vec<_>>(), [0x10 | CWR, 0x10, 0x10 | FIN | PSH]);
    }

    #[test]
    fn a_whole_packet_gets_its_checksum() {
        let mut packet = tcp4(0x10, &[9; 99]);
        let partial = fold(pseudo(&packet[12..20], TCP, packet.len() - 20));
        packet[36..38].copy_from_slice(&partial.to_ne_bytes());
        let piece = &pieces(offload(Kind::Whole, 0, Some((20, 16))), &packet)[0];
        assert!(is_right(pseudo(&piece[12..20], TCP, piece.len() - 20) + sum(&piece[20..])));
    }

    #[test]
    fn what_does_not_fit_or_does_not_hold_together_is_refused() {
        let packet = tcp4(0x10, &[9; 3000]);
        let refused = |offload, packet| Split::new(offload, packet, 2000).err();
        assert_eq!(refused(offload(Kind::Whole, 0, None), packet.as_slice()), Some(Cause::TooBig));
        assert_eq!(refused(offload(Kind::Tcp4, 1961, None), &packet), Some(Cause::TooBig));
        assert_eq!(refused(offload(Kind::Tcp4, 0, None), &packet), Some(Cause::OutboundMalformed));
        assert_eq!(refused(offload(Kind::Tcp6, 9, Some((40, 16))), &packet), Some(Cause::OutboundMalformed));
        assert_eq!(refused(offload(Kind::Whole, 0, Some((20, 5000))), &packet[..100]), Some(Cause::OutboundMalformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_or_refused(header: [u8; 10], version in prop_oneof![Just(0x45u8), Just(0x60)], mut packet: Vec<u8>) {
            if let Some(first) = packet.first_mut() {
                *first = version;
            }
            let Some(offload) = Offload::read(header) else { return Ok(()) };
            let Ok(mut split) = Split::new(offload, &packet, 2000) else { return Ok(()) };
            let mut room = [0; 2000];
            let mut total = 0;
            while let Some(size) = split.write_next(&mut room) {
                total += size;
            }
            prop_assert!(total >= packet.len());
        }
    }
}

//! Knows how to put TCP segments that follow each other into one super-packet. Never opens a device.

use std::ops::Range;

use crate::checksum::{fold, is_right, pseudo, sum};
use crate::offload::{Kind, Offload};

/// Segments of one flow, in order, that the kernel may take as one packet.
pub struct Join<'batch> {
    packets: [&'batch [u8]; MAX_PACKETS],
    count: usize,
    shape: Shape,
    segment: usize,
    payload: usize,
    complete: bool,
}

/// Where the parts of a TCP packet are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    four: bool,
    transport: usize,
    headers: usize,
}

impl<'batch> Join<'batch> {
    /// Begin with nothing.
    pub fn new() -> Self {
        Self { packets: [&[]; MAX_PACKETS], count: 0, shape: Shape::default(), segment: 0, payload: 0, complete: false }
    }

    /// Take a packet if it begins a join or goes on where this one ends, and say so.
    pub fn offer(&mut self, packet: &'batch [u8]) -> bool {
        let Some(shape) = Shape::of(packet) else { return false };
        let payload = packet.len() - shape.headers;
        if self.count == 0 {
            (self.shape, self.segment) = (shape, payload);
        } else if !self.continues(shape, packet, payload) {
            return false;
        }
        self.packets[self.count] = packet;
        self.count += 1;
        self.payload += payload;
        let pushed = packet[shape.transport + FLAGS] & PSH != 0;
        self.complete = pushed || payload < self.segment || self.count == MAX_PACKETS;
        true
    }

    /// Say whether nothing more can follow.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Give the packets as they came.
    pub fn packets(&self) -> &[&'batch [u8]] {
        &self.packets[..self.count]
    }

    /// Give the payloads, one behind the other.
    pub fn payloads(&self) -> impl Iterator<Item = &'batch [u8]> {
        self.packets().iter().map(|packet| &packet[self.shape.headers..])
    }

    /// Forget the packets.
    pub fn clear(&mut self) {
        (self.count, self.payload, self.complete) = (0, 0, false);
    }

    /// Make the headers of the whole, and say what the kernel must know of it.
    pub fn headers<'room>(&self, room: &'room mut [u8; MAX_HEADERS]) -> (Offload, &'room [u8]) {
        let Shape { four, transport, headers } = self.shape;
        let head = &mut room[..headers];
        head.copy_from_slice(&self.packets[0][..headers]);
        let length = headers + self.payload;
        if four {
            head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            head[10..12].fill(0);
            let checksum = !fold(sum(&head[..transport]));
            head[10..12].copy_from_slice(&checksum.to_ne_bytes());
        } else {
            head[4..6].copy_from_slice(&((length - V6_HEADER_SIZE) as u16).to_be_bytes());
        }
        head[transport + FLAGS] |= self.packets[self.count - 1][transport + FLAGS] & PSH;
        let partial = fold(pseudo(&head[self.shape.addresses()], TCP, length - transport));
        let place = transport + TCP_CHECKSUM;
        head[place..place + 2].copy_from_slice(&partial.to_ne_bytes());
        let offload = Offload {
            kind: if four { Kind::Tcp4 } else { Kind::Tcp6 },
            headers: headers as u16,
            segment: self.segment as u16,
            checksum: Some((transport as u16, TCP_CHECKSUM as u16)),
        };
        (offload, head)
    }

    fn continues(&self, shape: Shape, packet: &[u8], payload: usize) -> bool {
        let first = self.packets[0];
        let expected = sequence(first, shape).wrapping_add(self.payload as u32);
        !self.complete
            && shape == self.shape
            && payload <= self.segment
            && shape.headers + self.payload + payload <= MAX_PACKET
            && sequence(packet, shape) == expected
            && shape.is_alike(first, packet)
    }
}

impl Default for Join<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Shape {
    /// Read a packet that may be joined: plain TCP data with right checksums and no flag but ACK and PSH.
    ///
    /// The kernel takes the whole without looking at a checksum, so each is checked here.
    fn of(packet: &[u8]) -> Option<Self> {
        let (four, transport) = match packet.first()? >> 4 {
            4 => (true, v4_transport(packet)?),
            6 => (false, v6_transport(packet)?),
            _ => return None,
        };
        let tcp = packet.get(transport..)?;
        let headers = transport + usize::from(*tcp.get(12)? >> 4) * 4;
        let shape = Self { four, transport, headers };
        let covered = pseudo(&packet[shape.addresses()], TCP, tcp.len()) + sum(tcp);
        let joinable = headers >= transport + TCP_HEADER_SIZE
            && headers < packet.len()
            && tcp[FLAGS] & !PSH == ACK
            && is_right(covered);
        joinable.then_some(shape)
    }

    fn addresses(self) -> Range<usize> {
        if self.four { 12..20 } else { 8..40 }
    }

    /// Say whether the headers are equal but for lengths, numbers, checksums and PSH.
    fn is_alike(self, one: &[u8], other: &[u8]) -> bool {
        let tcp = self.transport;
        let ip: [Range<usize>; 3] = if self.four { [0..2, 6..10, 12..tcp + 4] } else { [0..4, 6..tcp + 4, 0..0] };
        let upper = [tcp + 8..tcp + FLAGS, tcp + FLAGS + 1..tcp + TCP_CHECKSUM, tcp + TCP_CHECKSUM + 2..self.headers];
        ip.into_iter().chain(upper).all(|part| one[part.clone()] == other[part])
    }
}

/// Find TCP in an IPv4 packet that is no fragment and whose header checksum is right.
fn v4_transport(packet: &[u8]) -> Option<usize> {
    let header = packet.first_chunk::<20>()?;
    let size = usize::from(header[0] & 15) * 4;
    let whole = u16::from_be_bytes([header[6], header[7]]) & V4_FRAGMENT == 0;
    let right = is_right(sum(packet.get(..size)?));
    (size >= header.len() && whole && right && header[9] == TCP).then_some(size)
}

/// Find TCP right behind the fixed header of an IPv6 packet.
fn v6_transport(packet: &[u8]) -> Option<usize> {
    (packet.len() > V6_HEADER_SIZE && packet[6] == TCP).then_some(V6_HEADER_SIZE)
}

fn sequence(packet: &[u8], shape: Shape) -> u32 {
    let at = shape.transport + 4;
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

// Fixed by RFC 791, RFC 8200 and RFC 9293.

const V4_FRAGMENT: u16 = 0x3fff;
const V6_HEADER_SIZE: usize = 40;
const TCP_HEADER_SIZE: usize = 20;
const TCP: u8 = 6;
const FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const MAX_PACKET: usize = u16::MAX as usize;

/// The longest headers: IPv4 and TCP, both with all their options.
pub const MAX_HEADERS: usize = 120;

// Our choices.

/// How many packets are joined at most.
pub const MAX_PACKETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{pieces, super_packet};
    use proptest::prelude::*;

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 1..20_000)
    }

    proptest! {
        #[test]
        fn what_is_split_and_joined_is_what_it_was(
            four: bool, options in 0usize..=10, segment in 500u16..1400, push: bool, payload in payload(),
        ) {
            let flags = if push { ACK | PSH } else { ACK };
            let (offload, packet) = super_packet(four, options, flags, segment, &payload);
            let pieces = pieces(offload, &packet);
            let mut join = Join::new();
            for (index, piece) in pieces.iter().enumerate() {
                prop_assert!(join.offer(piece), "piece {} is not joined", index);
                prop_assert!(!join.is_complete() || index == pieces.len() - 1);
            }
            let mut room = [0; MAX_HEADERS];
            let (again, headers) = join.headers(&mut room);
            let mut whole = [headers, &join.payloads().collect::<Vec<_>>().concat()].concat();
            let place = again.checksum.map(|(start, offset)| usize::from(start + offset)).unwrap();
            whole[place..place + 2].copy_from_slice(&packet[place..place + 2]);
            if four {
                prop_assert!(is_right(sum(&whole[..20])));
                whole[10..12].copy_from_slice(&packet[10..12]);
            }
            prop_assert_eq!(whole, packet);
            prop_assert_eq!((again.kind, again.checksum), (offload.kind, offload.checksum));
        }

        #[test]
        fn any_packets_are_joined_or_not(packets: Vec<Vec<u8>>, four: bool) {
            let mut join = Join::new();
            for mut packet in packets.iter().cloned() {
                if let Some(first) = packet.first_mut() {
                    *first = if four { 0x45 } else { 0x60 };
                }
                let _ = Shape::of(&packet);
            }
            for packet in &packets {
                if !join.is_complete() {
                    let _ = join.offer(packet);
                }
            }
        }
    }

    #[test]
    fn a_gap_another_flow_or_a_wrong_checksum_is_not_joined() {
        let (offload, packet) = super_packet(true, 3, ACK, 1000, &[7; 5000]);
        let pieces = pieces(offload, &packet);
        let other = |at: usize| {
            let mut piece = pieces[1].clone();
            piece[at] ^= 1;
            piece
        };
        let (wrong, later) = (other(60), other(20));
        for stranger in [&pieces[2], &wrong, &later] {
            let mut join = Join::new();
            assert!(join.offer(&pieces[0]));
            assert!(!join.offer(stranger));
        }
    }

    #[test]
    fn headers_that_differ_in_anything_but_numbers_and_lengths_are_not_joined() {
        // Service, lifetime, addresses, ports, acknowledgement, window, urgent pointer, options; flow label.
        let places = [
            (true, [1, 8, 12, 19, 20, 23, 28, 31, 34, 35, 38, 40].as_slice()),
            (false, &[1, 3, 7, 8, 39, 40, 43, 48, 51, 54, 58, 60]),
        ];
        for (four, places) in places {
            let (offload, packet) = super_packet(four, 1, ACK, 1000, &[7; 2000]);
            for place in places {
                let mut pieces = pieces(offload, &packet);
                pieces[1][*place] ^= 1;
                make_right(&mut pieces[1]);
                let mut join = Join::new();
                assert!(join.offer(&pieces[0]));
                assert!(!join.offer(&pieces[1]), "place {place}");
                assert!(Join::new().offer(&pieces[1]), "place {place} makes a sound packet");
            }
        }
    }

    fn make_right(packet: &mut [u8]) {
        let (shape, transport) = match packet[0] >> 4 {
            4 => (Shape { four: true, ..Shape::default() }, 20),
            _ => (Shape::default(), V6_HEADER_SIZE),
        };
        if shape.four {
            packet[10..12].fill(0);
            let checksum = !fold(sum(&packet[..transport]));
            packet[10..12].copy_from_slice(&checksum.to_ne_bytes());
        }
        let place = transport + TCP_CHECKSUM;
        packet[place..place + 2].fill(0);
        let covered = pseudo(&packet[shape.addresses()], TCP, packet.len() - transport) + sum(&packet[transport..]);
        packet[place..place + 2].copy_from_slice(&(!fold(covered)).to_ne_bytes());
    }

    #[test]
    fn a_join_never_outgrows_the_largest_packet() {
        for four in [true, false] {
            let (offload, packet) = super_packet(four, 0, ACK, 1400, &[7; 40 * 1400]);
            let first = pieces(offload, &packet);
            let (_, mut packet) = super_packet(four, 0, ACK, 1400, &[7; 20 * 1400]);
            let transport = if four { 20 } else { V6_HEADER_SIZE };
            let next = 0xffff_fff0_u32.wrapping_add(40 * 1400);
            packet[transport + 4..transport + 8].copy_from_slice(&next.to_be_bytes());
            let rest = pieces(offload, &packet);
            let mut join = Join::new();
            assert_eq!(first.iter().chain(&rest).filter(|piece| join.offer(piece)).count(), 46);
            let mut room = [0; MAX_HEADERS];
            let (_, headers) = join.headers(&mut room);
            assert_eq!(headers.len() + join.payloads().map(<[u8]>::len).sum::<usize>(), transport + 20 + 46 * 1400);
        }
    }

    #[test]
    fn a_shorter_segment_or_a_push_completes_the_join() {
        let (offload, packet) = super_packet(true, 0, ACK, 1000, &[7; 2500]);
        let short = pieces(offload, &packet);
        let mut join = Join::new();
        let complete = short.iter().map(|piece| join.offer(piece) && join.is_complete());
        assert_eq!(complete.collect::<Vec<_>>(), [false, false, true]);
        let (offload, packet) = super_packet(true, 0, ACK | PSH, 1000, &[7; 2000]);
        let pushed = pieces(offload, &packet);
        let mut join = Join::new();
        let complete = pushed.iter().map(|piece| join.offer(piece) && join.is_complete());
        assert_eq!(complete.collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn flags_other_than_ack_and_push_are_never_joined() {
        for flags in [ACK | 0x01, ACK | 0x02, ACK | 0x04, ACK | 0x20, ACK | 0x40, ACK | 0x80, 0] {
            let (offload, packet) = super_packet(true, 0, flags, 1000, &[7; 900]);
            assert!(!Join::new().offer(&pieces(offload, &packet)[0]));
        }
    }
}

//! Knows the way of one packet in, and of one out. Never waits, never chooses an SA to send on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::frame;
use crate::join::Join;
use crate::offload::Offload;
use crate::outgoing::{DATAGRAM_SIZE, Outgoing};
use crate::packet::{Header, OVERHEAD, TEXT_AT};
use crate::sa::{Inbound, Outbound};
use crate::split::Split;
use crate::tally::{Cause, Tally};
use crate::tun::Tun;
use crate::udp::Udp;

/// What a packet from the TUN device needs on its way out.
pub struct Outward<'pump> {
    /// The SA in use.
    pub sa: &'pump mut Outbound,
    /// Where its receiver is.
    pub peer: SocketAddr,
    /// The way there.
    pub udp: &'pump mut Udp,
    /// The counters.
    pub tally: &'pump Tally,
}

impl Outward<'_> {
    /// Cut a packet into pieces, seal each and send them when the batch is full.
    pub fn seal(&mut self, offload: Offload, packet: &[u8], outgoing: &mut Outgoing) -> std::result::Result<(), Cause> {
        let mut split = Split::new(offload, packet, DATAGRAM_SIZE - OVERHEAD)?;
        loop {
            if outgoing.is_full() {
                outgoing.flush(self.udp, self.peer, self.tally);
            }
            let room = outgoing.room();
            let Some(size) = split.write_next(&mut room[TEXT_AT..]) else { return Ok(()) };
            let sealed = self.sa.seal(room, size)?;
            outgoing.push(sealed);
            self.tally.packets_out.add(1);
            self.tally.bytes_out.add(size as u64);
        }
    }
}

/// What a batch from the network needs on its way in.
pub struct Inward<'pump, 'batch> {
    /// The SAs on which we receive.
    pub sas: &'pump mut [Inbound],
    /// Where inner packets go.
    pub tun: &'pump mut Tun,
    /// Where IKE messages go.
    pub ike: BorrowedFd<'pump>,
    /// The counters.
    pub tally: &'pump Tally,
    /// Packets that wait to be written as one.
    pub join: Join<'batch>,
    /// Whether any packet was authentic.
    pub authentic: bool,
}

impl<'batch> Inward<'_, 'batch> {
    /// Tell IKE, keepalives and ESP apart (RFC 3948 §2).
    pub fn take(&mut self, source: SocketAddr, datagram: &'batch mut [u8]) -> std::result::Result<(), Cause> {
        if source.port() == IKE_PORT {
            return self.give_to_ike(source, datagram);
        }
        match datagram.strip_prefix(&NON_ESP_MARKER) {
            Some(message) => self.give_to_ike(source, message),
            None if *datagram == KEEPALIVE => Ok(()),
            None => self.open(datagram),
        }
    }

    fn open(&mut self, datagram: &'batch mut [u8]) -> std::result::Result<(), Cause> {
        let header = Header::read(datagram)?;
        let sa = self.sas.iter_mut().find(|sa| sa.spi() == header.spi).ok_or(Cause::UnknownSpi)?;
        let opened = sa.open(header, datagram);
        self.authentic |= matches!(opened, Ok(_) | Err(Cause::Dummy));
        self.deliver(opened?);
        Ok(())
    }

    /// Join a packet to the one before it, or write that one first: packets keep their order.
    fn deliver(&mut self, packet: &'batch [u8]) {
        if !self.tun.joins() {
            return self.write(packet);
        }
        if !self.join.offer(packet) {
            self.flush();
            if !self.join.offer(packet) {
                return self.write(packet);
            }
        }
        if self.join.is_complete() {
            self.flush();
        }
    }

    /// Write what was joined; as it came, if the device does not take it as one.
    pub fn flush(&mut self) {
        let packets = self.join.packets();
        if packets.len() > 1 && self.tun.write_joined(&self.join).is_ok() {
            packets.iter().for_each(|packet| self.count(packet));
        } else {
            packets.iter().for_each(|packet| self.write(packet));
        }
        self.join.clear();
    }

    fn write(&self, packet: &[u8]) {
        match self.tun.write(packet) {
            Ok(()) => self.count(packet),
            Err(errno) => self.tally.count_drop(refusal(errno), 1),
        }
    }

    fn count(&self, packet: &[u8]) {
        self.tally.packets_in.add(1);
        self.tally.bytes_in.add(packet.len() as u64);
    }

    fn give_to_ike(&self, source: SocketAddr, message: &[u8]) -> std::result::Result<(), Cause> {
        let header = frame::header(source);
        let parts = [&header, message].map(io::IoSlice::new);
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(self.ike, &parts, &mut SendAncillaryBuffer::default(), flags).map(drop).map_err(|_| Cause::IkeBacklog)
    }
}

/// Say why the TUN device took no packet; that it is gone is noticed when reading.
fn refusal(errno: Errno) -> Cause {
    match errno {
        Errno::IO => Cause::TunDown,
        _ => Cause::TunRefused,
    }
}

// Fixed by RFC 3948 and RFC 7296 §2.23.

/// The port on which IKE messages go without a marker.
pub const IKE_PORT: u16 = 500;
/// What stands before an IKE message on every other port.
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// A datagram that only keeps a NAT's mapping alive.
pub const KEEPALIVE: [u8; 1] = [0xff];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::{Cipher, Key};

    use crate::offload::OFFLOAD_SIZE;
    use crate::packet::{text_size, write_trailer};
    use crate::sa::Material;
    use crate::samples::{pieces, super_packet};
    use crate::selector::{Selector, Selectors};
    use proptest::prelude::*;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    use std::net::{IpAddr, UdpSocket};
    use std::os::fd::{AsFd, OwnedFd};

    const KEY: [u8; 36] = [7; 36];
    const ACK: u8 = 0x10;
    const PSH: u8 = 0x08;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).unwrap()
    }

    fn material(spi: u32) -> Material<'static> {
        let every = |first: IpAddr, last: IpAddr| Selector::new(0, 0..=u16::MAX, first, last).unwrap();
        let all = vec![every([0; 4].into(), [255; 4].into()), every([0; 16].into(), [255; 16].into())];
        let selectors = Selectors { local: all.clone(), remote: all };
        Material { spi, cipher: Cipher::Aes256Gcm, key: &KEY, selectors }
    }

    /// One side of what a device was given: each write cut into packets again.
    fn written(device: &OwnedFd) -> Vec<Vec<u8>> {
        let mut room = vec![0; 1 << 17];
        let mut packets = Vec::new();
        while let Ok((size, _)) = recv(device, &mut *room, RecvFlags::DONTWAIT) {
            let (header, packet) = room[..size].split_first_chunk::<OFFLOAD_SIZE>().unwrap();
            packets.extend(pieces(Offload::read(*header).unwrap(), packet));
        }
        packets
    }

    /// Packets of a few flows, some of which follow each other, in any order.
    fn mixed_flows() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let burst = (0usize..10, 300u16..1400, 1usize..6000, any::<bool>(), 0u32..3);
        let flow = (any::<bool>(), prop::collection::vec(burst, 0..6));
        let flows = prop::collection::vec(flow, 1..4).prop_map(|flows| {
            let numbered = flows.into_iter().enumerate();
            numbered.map(|(flow, (four, bursts))| packets_of(flow as u8, four, &bursts)).collect::<Vec<_>>()
        });
        (flows, prop::collection::vec(0usize..4, 0..100)).prop_map(|(mut flows, turns)| {
            flows.iter_mut().for_each(|flow| flow.reverse());
            let mut mixed: Vec<_> = turns.iter().filter_map(|turn| flows.get_mut(*turn)?.pop()).collect();
            flows.into_iter().for_each(|flow| mixed.extend(flow.into_iter().rev()));
            mixed
        })
    }

    fn packets_of(flow: u8, four: bool, bursts: &[(usize, u16, usize, bool, u32)]) -> Vec<Vec<u8>> {
        let mut number = u32::MAX - 3000;
        let burst = |&(options, segment, length, push, gap): &(usize, u16, usize, bool, u32)| {
            let flags = if push { ACK | PSH } else { ACK };
            let (offload, mut packet) = super_packet(four, options, flags, segment, &vec![flow; length]);
            let transport = if four { 20 } else { 40 };
            packet[transport] = flow;
            number = number.wrapping_add(gap / 2);
            packet[transport + 4..transport + 8].copy_from_slice(&number.to_be_bytes());
            number = number.wrapping_add(length as u32);
            pieces(offload, &packet)
        };
        bursts.iter().flat_map(burst).collect()
    }

    /// IPv4's identification, and with it the header checksum, may change on the way.
    fn without_identification(mut packet: Vec<u8>) -> Vec<u8> {
        if packet[0] >> 4 == 4 {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        packet
    }

    /// A sound packet or super-packet, cut off somewhere and with some bytes changed.
    fn mangled() -> impl Strategy<Value = Vec<u8>> {
        let changes = prop::collection::vec((0usize..80, any::<u8>()), 0..6);
        (any::<bool>(), 0usize..10, 0usize..3000, 0usize..3100, changes).prop_map(
            |(four, options, size, cut, changes)| {
                let (_, mut packet) = super_packet(four, options, ACK, 1000, &vec![1; size]);
                packet.truncate(cut);
                for (at, value) in changes {
                    if let Some(byte) = packet.get_mut(at) {
                        *byte = value;
                    }
                }
                packet
            },
        )
    }

    /// What an authentic peer can send: any text under the right key.
    fn authentic(sequence: u32, packet: &[u8], next_header: u8) -> Vec<u8> {
        let header = Header { spi: 1000, sequence }.bytes();
        let mut text = packet.to_vec();
        text.resize(text_size(packet.len()), 0);
        write_trailer(&mut text, packet.len(), next_header);
        let icv = Key::new(Cipher::Aes256Gcm, &KEY).unwrap().seal([0; 8], header, &mut text).unwrap();
        [&header, [0; 8].as_slice(), &text, &icv].concat()
    }

    proptest! {
        #[test]
        fn flows_that_were_joined_are_cut_into_the_same_packets_in_the_same_order(packets in mixed_flows()) {
            let ((device, ours), (ike, _peer)) = (pair(), pair());
            let (mut tun, tally, mut delivered) = (Tun::over(ours), Tally::default(), Vec::new());
            let mut inward = Inward {
                sas: &mut [], tun: &mut tun, ike: ike.as_fd(), tally: &tally, join: Join::new(), authentic: false,
            };
            for packet in &packets {
                inward.deliver(packet);
                delivered.extend(written(&device));
            }
            inward.flush();
            delivered.extend(written(&device));
            prop_assert_eq!(tally.packets_in.get(), packets.len() as u64);
            let compared = |packets: Vec<Vec<u8>>| packets.into_iter().map(without_identification).collect::<Vec<_>>();
            prop_assert_eq!(compared(delivered), compared(packets));
        }

        #[test]
        fn whatever_an_authentic_peer_or_a_stranger_sends_is_delivered_or_refused(
            texts in prop::collection::vec((mangled(), prop_oneof![Just(4u8), Just(41), any::<u8>()]), 0..8),
            strange in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..4),
            port in prop_oneof![Just(500u16), Just(4500)],
        ) {
            let ((_device, ours), (ike, _peer)) = (pair(), pair());
            let (mut tun, tally) = (Tun::over(ours), Tally::default());
            let mut sas = [Inbound::new(material(1000)).unwrap()];
            let numbered = (1..).zip(texts).map(|(number, (packet, next))| authentic(number, &packet, next));
            let mut datagrams: Vec<_> = numbered.chain(strange).collect();
            let mut inward = Inward {
                sas: &mut sas, tun: &mut tun, ike: ike.as_fd(), tally: &tally, join: Join::new(), authentic: false,
            };
            for datagram in &mut datagrams {
                let _ = inward.take(([192, 0, 2, 1], port).into(), datagram);
            }
            inward.flush();
        }

        #[test]
        fn whatever_the_device_hands_over_is_sealed_or_refused(
            flags in 0u8..4, kind in prop_oneof![Just(0u8), Just(1), Just(4), Just(0x81)],
            numbers in prop::array::uniform4(prop_oneof![any::<u16>(), 0u16..100]), packet in mangled(),
        ) {
            let header = [flags, kind].into_iter().chain(numbers.into_iter().flat_map(u16::to_ne_bytes));
            let header: Vec<u8> = header.collect();
            let offload = Offload::read(*header.first_chunk().unwrap()).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let peer = socket.local_addr().unwrap();
            let (mut sa, mut udp) = (Outbound::new(material(1000)).unwrap(), Udp::new(socket.into()).unwrap());
            let (tally, mut outgoing) = (Tally::default(), Outgoing::new());
            let mut outward = Outward { sa: &mut sa, peer, udp: &mut udp, tally: &tally };
            let _ = outward.seal(offload, &packet, &mut outgoing);
            outgoing.flush(&mut udp, peer, &tally);
        }
    }

    #[test]
    fn a_device_that_refuses_joined_packets_is_given_each_alone_from_then_on() {
        // Every write to a timer is refused with EINVAL, as a kernel refuses a header it does not know.
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).unwrap();
        let ((ike, _peer), mut tun, tally) = (pair(), Tun::over(timer), Tally::default());
        let (offload, packet) = super_packet(true, 0, ACK, 1000, &[7; 3000]);
        let packets = pieces(offload, &packet);
        let mut inward = Inward {
            sas: &mut [],
            tun: &mut tun,
            ike: ike.as_fd(),
            tally: &tally,
            join: Join::new(),
            authentic: false,
        };
        packets.iter().for_each(|packet| inward.deliver(packet));
        inward.flush();
        assert_eq!(tally.dropped(Cause::TunRefused), 3);
        assert!(!tun.joins());
    }
}

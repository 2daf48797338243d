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

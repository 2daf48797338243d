//! Knows the UDP socket: datagrams in batches, segments apart and together. Never reads one.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SendFlags, sendto, sockopt};

use crate::tally::{Cause, Tally};
use crate::tun::last_error;

/// A bound UDP socket of either family.
#[derive(Debug)]
pub struct Udp {
    fd: OwnedFd,
    v6: bool,
    segments: bool,
}

impl Udp {
    /// Take a socket and ask the kernel to join datagrams of one flow, where it can.
    pub fn new(fd: OwnedFd) -> Result<Self> {
        let v6 = match sockopt::socket_domain(&fd)? {
            AddressFamily::INET => false,
            AddressFamily::INET6 => true,
            _ => return Err(Errno::AFNOSUPPORT),
        };
        let on: libc::c_int = 1;
        let size = size_of_val(&on) as libc::socklen_t;
        // SAFETY: the descriptor is open, and the option is one `int`, which `on` is. A refusal is
        // harmless: datagrams then come one by one.
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, (&raw const on).cast(), size) };
        Ok(Self { fd, v6, segments: true })
    }

    /// Send one datagram without waiting.
    pub fn send(&self, datagram: &[u8], peer: SocketAddr) -> Result<()> {
        sendto(&self.fd, datagram, SendFlags::DONTWAIT, &self.mapped(peer)).map(drop)
    }

    fn mapped(&self, peer: SocketAddr) -> SocketAddr {
        match peer.ip() {
            IpAddr::V4(address) if self.v6 => SocketAddr::new(address.to_ipv6_mapped().into(), peer.port()),
            _ => peer,
        }
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Room for one batch of received datagrams.
pub struct Incoming {
    bytes: Box<[u8]>,
    arrivals: Vec<Arrival>,
}

/// What is known of one message; it holds datagrams of `segment` bytes, of which the last may be shorter.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    source: SocketAddr,
    size: usize,
    segment: usize,
}

impl Incoming {
    /// Reserve the room once.
    pub fn new() -> Self {
        Self { bytes: vec![0; MESSAGES * MESSAGE_SIZE].into(), arrivals: Vec::with_capacity(MESSAGES) }
    }

    /// Receive what is there, without waiting.
    pub fn receive(&mut self, udp: &Udp) -> Result<()> {
        self.arrivals.clear();
        // SAFETY: these are plain data, for which all zeros is a value.
        let (mut names, mut controls, mut parts, mut headers): Received = unsafe { mem::zeroed() };
        for (index, room) in self.bytes.chunks_exact_mut(MESSAGE_SIZE).enumerate() {
            parts[index] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut parts[index];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut controls[index]).cast();
            header.msg_controllen = size_of::<Control>();
        }
        // SAFETY: every header points to a name, a control buffer and a room of the lengths it says;
        // all of them outlive the call, and none is borrowed elsewhere meanwhile.
        let count = unsafe {
            let count = MESSAGES as libc::c_uint;
            libc::recvmmsg(udp.fd.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| last_error())?;
        for (header, name) in headers.iter().zip(&names).take(count) {
            let size = header.msg_len as usize;
            let source = read_name(name).unwrap_or(NOBODY);
            self.arrivals.push(Arrival { source, size, segment: segment_size(&header.msg_hdr).unwrap_or(size).max(1) });
        }
        Ok(())
    }

    /// Go through the datagrams of the batch.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let rooms = self.bytes.chunks_exact_mut(MESSAGE_SIZE);
        rooms.zip(&self.arrivals).flat_map(|(room, arrival)| {
            room[..arrival.size].chunks_mut(arrival.segment).map(|datagram| (arrival.source, datagram))
        })
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self::new()
    }
}

type Received =
    ([libc::sockaddr_storage; MESSAGES], [Control; MESSAGES], [libc::iovec; MESSAGES], [libc::mmsghdr; MESSAGES]);

/// Room for control messages, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

fn segment_size(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel has filled in the control buffer and its length.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give a whole `cmsghdr` within the buffer, or null.
        let found = unsafe { ((*control).cmsg_level, (*control).cmsg_type) };
        if found == (libc::SOL_UDP, libc::UDP_GRO) {
            // SAFETY: the kernel puts one `int` behind this header; it may be unaligned.
            let size = unsafe { libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned() };
            return usize::try_from(size).ok();
        }
        // SAFETY: as for CMSG_FIRSTHDR; `control` lies within the buffer of `header`.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let name = ptr::from_ref(name);
    // SAFETY: a `sockaddr_storage` is as large and as aligned as any address, and its family says which it holds.
    unsafe {
        match libc::c_int::from((*name).ss_family) {
            libc::AF_INET => {
                let name = &*name.cast::<libc::sockaddr_in>();
                let address = Ipv4Addr::from_bits(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddr::new(address.into(), u16::from_be(name.sin_port)))
            }
            libc::AF_INET6 => {
                let name = &*name.cast::<libc::sockaddr_in6>();
                let address = Ipv6Addr::from_octets(name.sin6_addr.s6_addr);
                Some(SocketAddr::new(address.to_canonical(), u16::from_be(name.sin6_port)))
            }
            _ => None,
        }
    }
}

/// A batch of datagrams to one peer, one behind the other without gaps.
pub struct Outgoing {
    bytes: Box<[u8]>,
    used: usize,
    sizes: Vec<usize>,
}

impl Outgoing {
    /// Reserve the room once.
    pub fn new() -> Self {
        Self { bytes: vec![0; DATAGRAMS * DATAGRAM_SIZE].into(), used: 0, sizes: Vec::with_capacity(DATAGRAMS) }
    }

    /// Say whether the batch has no room for another datagram.
    pub fn is_full(&self) -> bool {
        self.sizes.len() == DATAGRAMS
    }

    /// Lend the room for the next datagram of a batch that is not full.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..self.used + DATAGRAM_SIZE]
    }

    /// Keep what was written at the start of the room.
    pub fn push(&mut self, size: usize) {
        self.used += size;
        self.sizes.push(size);
    }

    /// Send the batch without waiting, and say whether there was anything to send.
    pub fn flush(&mut self, udp: &mut Udp, peer: SocketAddr, tally: &Tally) -> bool {
        let (mut next, mut at, mut singly) = (0, 0, 0);
        while next < self.sizes.len() {
            let runs = Runs::of(&self.sizes, next, if udp.segments { singly } else { DATAGRAMS });
            tally.batches_out.add(1);
            let passed = match runs.send(udp, peer, &self.bytes[at..self.used]) {
                Ok(sent) => sent,
                Err(Errno::INTR) => 0,
                Err(errno) if runs.first().count > 1 && SEGMENTS_REFUSED.contains(&errno) => {
                    udp.segments &= errno != Errno::IO;
                    singly = next + runs.first().count;
                    0
                }
                Err(errno) => {
                    tally.count_drop(cause(errno), runs.first().count as u64);
                    1
                }
            };
            for run in &runs.list[..passed] {
                next += run.count;
                at += run.size;
            }
        }
        self.used = 0;
        self.sizes.clear();
        next > 0
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

/// Datagrams that the kernel takes as one: all of `segment` bytes, only the last may be shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    count: usize,
    size: usize,
    segment: usize,
}

/// The batch as runs.
struct Runs {
    list: [Run; DATAGRAMS],
    used: usize,
}

impl Runs {
    /// Gather datagrams from `next` on; those before `singly` each stay alone.
    fn of(sizes: &[usize], next: usize, singly: usize) -> Self {
        let mut runs = Self { list: [Run::default(); DATAGRAMS], used: 0 };
        for (index, &size) in sizes.iter().enumerate().skip(next) {
            let joins = runs.used > 0 && index >= singly && runs.list[runs.used - 1].takes(size);
            runs.used += usize::from(!joins);
            let run = &mut runs.list[runs.used - 1];
            if !joins {
                run.segment = size;
            }
            run.count += 1;
            run.size += size;
        }
        runs
    }

    fn first(&self) -> Run {
        self.list[0]
    }

    /// Send the runs that lie in `bytes`; give how many the kernel took.
    fn send(&self, udp: &Udp, peer: SocketAddr, bytes: &[u8]) -> Result<usize> {
        let (mut name, name_size) = write_name(udp.mapped(peer));
        // SAFETY: these are plain data, for which all zeros is a value.
        let (mut controls, mut parts, mut headers): Sent = unsafe { mem::zeroed() };
        let mut at = 0;
        for (index, run) in self.list[..self.used].iter().enumerate() {
            let run_bytes = &bytes[at..at + run.size];
            at += run.size;
            parts[index] = libc::iovec { iov_base: run_bytes.as_ptr().cast_mut().cast(), iov_len: run_bytes.len() };
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut name).cast();
            header.msg_namelen = name_size;
            header.msg_iov = &raw mut parts[index];
            header.msg_iovlen = 1;
            if run.count > 1 {
                controls[index] = SegmentControl::new(run.segment);
                header.msg_control = (&raw mut controls[index]).cast();
                header.msg_controllen = size_of::<SegmentControl>();
            }
        }
        // SAFETY: every header points to the name, its bytes and its control message, with their lengths;
        // all of them outlive the call, and the kernel only reads them.
        let taken = unsafe {
            libc::sendmmsg(udp.fd.as_raw_fd(), headers.as_mut_ptr(), self.used as libc::c_uint, libc::MSG_DONTWAIT)
        };
        usize::try_from(taken).map_err(|_| last_error())
    }
}

impl Run {
    fn takes(&self, size: usize) -> bool {
        self.size == self.count * self.segment
            && size <= self.segment
            && self.count < MAX_SEGMENTS
            && self.size + size <= MAX_RUN_SIZE
    }
}

type Sent = ([SegmentControl; DATAGRAMS], [libc::iovec; DATAGRAMS], [libc::mmsghdr; DATAGRAMS]);

/// The control message that tells the kernel where to cut.
#[repr(C)]
#[derive(Clone, Copy)]
struct SegmentControl {
    header: libc::cmsghdr,
    size: u16,
    padding: [u8; 6],
}

impl SegmentControl {
    fn new(segment: usize) -> Self {
        // SAFETY: plain data, for which all zeros is a value.
        let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = size_of::<libc::cmsghdr>() + size_of::<u16>();
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self { header, size: segment as u16, padding: [0; 6] }
    }
}

fn write_name(peer: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: plain data, for which all zeros is a value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let name = &raw mut storage;
    // SAFETY: a `sockaddr_storage` is as large and as aligned as any address.
    let size = unsafe {
        match peer {
            SocketAddr::V4(peer) => {
                let name = &mut *name.cast::<libc::sockaddr_in>();
                name.sin_family = libc::AF_INET as libc::sa_family_t;
                name.sin_port = peer.port().to_be();
                name.sin_addr.s_addr = peer.ip().to_bits().to_be();
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(peer) => {
                let name = &mut *name.cast::<libc::sockaddr_in6>();
                name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                name.sin6_port = peer.port().to_be();
                name.sin6_addr.s6_addr = peer.ip().octets();
                size_of::<libc::sockaddr_in6>()
            }
        }
    };
    (storage, size as libc::socklen_t)
}

/// Say what a refusal to send is counted as.
pub fn cause(errno: Errno) -> Cause {
    match errno {
        Errno::MSGSIZE => Cause::TooBig,
        Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => Cause::Congested,
        Errno::CONNREFUSED | Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL => {
            Cause::Unreachable
        }
        _ => Cause::SendFailed,
    }
}

// Fixed by the kernel.

const MAX_SEGMENTS: usize = 64;
/// What a kernel answers that cannot cut a message into segments: no checksums in the device, or a smaller path.
const SEGMENTS_REFUSED: [Errno; 3] = [Errno::IO, Errno::INVAL, Errno::MSGSIZE];
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

// Our choices.

const MESSAGES: usize = 32;
const MESSAGE_SIZE: usize = 1 << 16;
const MAX_RUN_SIZE: usize = 65_000;

/// Datagrams in one batch to send.
pub const DATAGRAMS: usize = 64;
/// The largest ESP packet we send.
pub const DATAGRAM_SIZE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(sizes: &[usize], next: usize, singly: usize) -> Vec<(usize, usize)> {
        let runs = Runs::of(sizes, next, singly);
        runs.list[..runs.used].iter().map(|run| (run.count, run.segment)).collect()
    }

    #[test]
    fn equal_datagrams_make_one_run_and_a_shorter_one_ends_it() {
        assert_eq!(runs(&[1400, 1400, 90, 90, 1400], 0, 0), [(3, 1400), (1, 90), (1, 1400)]);
        assert_eq!(runs(&[90, 1400, 1400], 0, 0), [(1, 90), (2, 1400)]);
    }

    #[test]
    fn a_run_stays_within_what_one_message_may_hold() {
        assert_eq!(runs(&[1500; 64], 0, 0), [(43, 1500), (21, 1500)]);
        assert_eq!(runs(&[64; 64], 0, 0), [(64, 64)]);
    }

    #[test]
    fn datagrams_that_were_refused_as_a_run_go_singly() {
        assert_eq!(runs(&[9, 9, 9, 9, 9], 1, 3), [(1, 9), (3, 9)]);
        assert_eq!(runs(&[9, 9, 9], 0, DATAGRAMS), [(1, 9), (1, 9), (1, 9)]);
    }

    #[test]
    fn names_come_back_as_they_were_written() {
        for peer in ["192.0.2.7:4500", "[2001:db8::7]:500"] {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(read_name(&write_name(peer).0), Some(peer));
        }
    }
}

//! Knows the TUN device: one packet or super-packet per read and per write. Never looks into one.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, Result};

use crate::join::{Join, MAX_HEADERS, MAX_PACKETS};
use crate::offload::{OFFLOAD_SIZE, Offload};

/// A TUN device opened with `IFF_NO_PI`, with or without `IFF_VNET_HDR`.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    header: usize,
    joins: bool,
}

impl Tun {
    /// Ask the kernel how the device was opened, and never wait for it.
    pub fn new(fd: OwnedFd) -> Result<Self> {
        let flags = interface_flags(&fd)?;
        if flags & libc::IFF_TUN == 0 || flags & libc::IFF_NO_PI == 0 {
            return Err(Errno::INVAL);
        }
        let header = if flags & libc::IFF_VNET_HDR == 0 { 0 } else { virtio_header_size(&fd)? };
        let joins = header > 0 && offers(&fd)?;
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self { fd, header, joins })
    }

    /// Say whether the kernel takes several packets as one.
    pub fn joins(&self) -> bool {
        self.joins
    }

    /// Read one packet, or one super-packet; one that is larger than the room is cut off.
    ///
    /// A packet whose header makes no sense is read too, and is nothing.
    pub fn read(&self, room: &mut [u8]) -> Result<Option<(Offload, usize)>> {
        let mut header = [0; MAX_HEADER];
        let mut parts = [IoSliceMut::new(&mut header[..self.header]), IoSliceMut::new(room)];
        let size = rustix::io::readv(&self.fd, &mut parts)?;
        let offload = header.first_chunk().and_then(|header| Offload::read(*header));
        Ok(offload.zip(size.checked_sub(self.header)))
    }

    /// Write one packet.
    pub fn write(&self, packet: &[u8]) -> Result<()> {
        let header = [0; MAX_HEADER];
        let parts = [IoSlice::new(&header[..self.header]), IoSlice::new(packet)];
        rustix::io::writev(&self.fd, &parts).map(drop)
    }

    /// Write joined packets as one; a device that refuses is never asked again.
    pub fn write_joined(&mut self, join: &Join<'_>) -> Result<()> {
        let (mut room, mut header) = ([0; MAX_HEADERS], [0; MAX_HEADER]);
        let (offload, headers) = join.headers(&mut room);
        header[..OFFLOAD_SIZE].copy_from_slice(&offload.bytes());
        let mut parts = [IoSlice::new(&[]); MAX_PACKETS + 2];
        let pieces = [&header[..self.header], headers].into_iter().chain(join.payloads());
        for (part, piece) in parts.iter_mut().zip(pieces) {
            *part = IoSlice::new(piece);
        }
        let written = rustix::io::writev(&self.fd, &parts[..join.packets().len() + 2]);
        self.joins &= written != Err(Errno::INVAL);
        written.map(drop)
    }
}

#[cfg(test)]
impl Tun {
    /// Take a descriptor that is no TUN device but is read and written as one.
    pub fn over(fd: OwnedFd) -> Self {
        Self { fd, header: OFFLOAD_SIZE, joins: true }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn interface_flags(fd: &OwnedFd) -> Result<libc::c_int> {
    // SAFETY: `ifreq` is plain data, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and TUNGETIFF writes one `ifreq`, which `request` is.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: TUNGETIFF fills in the flags; any bits are a valid `c_short`.
    Ok(unsafe { request.ifr_ifru.ifru_flags }.into())
}

/// Give the size of the header in front of every packet.
fn virtio_header_size(fd: &OwnedFd) -> Result<usize> {
    let mut size: libc::c_int = 0;
    // SAFETY: the descriptor is open, and TUNGETVNETHDRSZ writes one `int`, which `size` is.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETVNETHDRSZ, &raw mut size) })?;
    let possible = OFFLOAD_SIZE..=MAX_HEADER;
    usize::try_from(size).ok().filter(|size| possible.contains(size)).ok_or(Errno::INVAL)
}

/// Offer the kernel to cut its super-packets for it, or else nothing; say which.
fn offers(fd: &OwnedFd) -> Result<bool> {
    let offload = |flags: libc::c_uint| {
        // SAFETY: the descriptor is open, and TUNSETOFFLOAD takes its flags by value.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(flags)) })
    };
    if offload(libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6).is_ok() {
        return Ok(true);
    }
    offload(0).map(|()| false)
}

/// Make an error of a libc call's answer.
pub fn check(answer: libc::c_int) -> Result<()> {
    if answer == -1 { Err(last_error()) } else { Ok(()) }
}

/// Give the error of the last call into libc.
pub fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

// Fixed by the kernel: `virtio_net_hdr_v1_hash` is the longest.

const MAX_HEADER: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offload::Kind;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    #[test]
    fn a_packet_behind_a_senseless_header_is_nothing_and_the_next_one_is_read() {
        let (kernel, ours) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None).unwrap();
        let (tun, mut room) = (Tun::over(ours), [0; 100]);
        let (unknown_kind, cut_short, sound) = ([[0, 3].as_slice(), &[7; 60]].concat(), [0; 4], [0; 50]);
        for packet in [unknown_kind.as_slice(), &cut_short, &sound] {
            send(&kernel, packet, SendFlags::empty()).unwrap();
        }
        assert_eq!(tun.read(&mut room), Ok(None));
        assert_eq!(tun.read(&mut room), Ok(None));
        let (offload, size) = tun.read(&mut room).unwrap().unwrap();
        assert_eq!((offload.kind, size), (Kind::Whole, 40));
    }
}

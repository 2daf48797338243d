//! Knows the TUN device: one IP packet per read and per write. Never looks into a packet.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, Result};

/// A TUN device opened with `IFF_NO_PI`, with or without `IFF_VNET_HDR`.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    header: usize,
}

impl Tun {
    /// Ask the kernel how the device was opened, and never wait for it.
    pub fn new(fd: OwnedFd) -> Result<Self> {
        let flags = interface_flags(&fd)?;
        if flags & libc::IFF_TUN == 0 || flags & libc::IFF_NO_PI == 0 {
            return Err(Errno::INVAL);
        }
        let header = if flags & libc::IFF_VNET_HDR == 0 { 0 } else { virtio_header_size(&fd)? };
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self { fd, header })
    }

    /// Read one packet; one that is larger than the room is cut off.
    pub fn read(&self, room: &mut [u8]) -> Result<usize> {
        let mut header = [0; MAX_HEADER];
        let mut parts = [IoSliceMut::new(&mut header[..self.header]), IoSliceMut::new(room)];
        let size = rustix::io::readv(&self.fd, &mut parts)?;
        size.checked_sub(self.header).ok_or(Errno::IO)
    }

    /// Write one packet.
    pub fn write(&self, packet: &[u8]) -> Result<()> {
        let header = [0; MAX_HEADER];
        let parts = [IoSlice::new(&header[..self.header]), IoSlice::new(packet)];
        rustix::io::writev(&self.fd, &parts).map(drop)
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

/// Give the size of the header in front of every packet, and refuse super-packets.
fn virtio_header_size(fd: &OwnedFd) -> Result<usize> {
    let mut size: libc::c_int = 0;
    // SAFETY: the descriptor is open, and TUNGETVNETHDRSZ writes one `int`, which `size` is.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETVNETHDRSZ, &raw mut size) })?;
    // SAFETY: the descriptor is open, and TUNSETOFFLOAD takes its flags by value.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, 0) })?;
    usize::try_from(size).ok().filter(|size| *size <= MAX_HEADER).ok_or(Errno::INVAL)
}

fn check(answer: libc::c_int) -> Result<()> {
    if answer == -1 { Err(last_error()) } else { Ok(()) }
}

/// Give the error of the last call into libc.
pub fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

// Fixed by the kernel: `virtio_net_hdr_v1_hash` is the longest.

const MAX_HEADER: usize = 20;

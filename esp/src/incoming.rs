//! Knows how to receive datagrams in batches, and where the kernel joined several. Never reads one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::{mem, ptr};

use rustix::io::Result;
use zeroize::Zeroizing;

use crate::tun::last_error;
use crate::udp::{Udp, read_name};

/// Room for one batch of received datagrams; they are opened in it, so it is wiped at the end.
pub struct Incoming {
    bytes: Zeroizing<Box<[u8]>>,
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
        Self { bytes: Zeroizing::new(vec![0; MESSAGES * MESSAGE_SIZE].into()), arrivals: Vec::with_capacity(MESSAGES) }
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
            libc::recvmmsg(udp.as_fd().as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, ptr::null_mut())
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
        let found = unsafe { *control };
        if (found.cmsg_level, found.cmsg_type) == (libc::SOL_UDP, libc::UDP_GRO) && found.cmsg_len >= GRO_CONTROL_SIZE {
            // SAFETY: by its length an `int` is behind this header within the buffer; it may be unaligned.
            let size = unsafe { libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned() };
            return usize::try_from(size).ok();
        }
        // SAFETY: as for CMSG_FIRSTHDR; `control` lies within the buffer of `header`.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

// Fixed by the kernel (cmsg(3), udp(7)).

// SAFETY: CMSG_LEN only computes.
const GRO_CONTROL_SIZE: usize = unsafe { libc::CMSG_LEN(size_of::<libc::c_int>() as libc::c_uint) } as usize;

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

// Our choices.

const MESSAGES: usize = 32;
/// Room for what the kernel joins at most.
const MESSAGE_SIZE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(length: usize, size: libc::c_int) -> Option<usize> {
        let mut control = Control([0; 64]);
        // SAFETY: plain data, for which all zeros is a value.
        let (mut first, mut header): (libc::cmsghdr, libc::msghdr) = unsafe { mem::zeroed() };
        (first.cmsg_len, first.cmsg_level, first.cmsg_type) = (length, libc::SOL_UDP, libc::UDP_GRO);
        // SAFETY: the room is larger than both and aligned for both.
        unsafe {
            (&raw mut control).cast::<libc::cmsghdr>().write(first);
            (&raw mut control).cast::<libc::cmsghdr>().add(1).cast::<libc::c_int>().write(size);
        }
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = 24;
        segment_size(&header)
    }

    #[test]
    fn a_segment_size_is_read_only_where_it_is_whole_and_makes_sense() {
        assert_eq!(said(GRO_CONTROL_SIZE, 1400), Some(1400));
        assert_eq!(said(GRO_CONTROL_SIZE - 1, 1400), None);
        assert_eq!(said(GRO_CONTROL_SIZE, -1), None);
    }
}

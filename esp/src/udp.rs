//! Knows the UDP socket, its addresses and its refusals. Never looks into a datagram.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SendFlags, sendto, sockopt};

use crate::tally::Cause;
use crate::tun::check;

/// A bound UDP socket of either family.
#[derive(Debug)]
pub struct Udp {
    fd: OwnedFd,
    v6: bool,
    /// Whether the device cuts messages into segments for us.
    pub segments: bool,
}

impl Udp {
    /// Take a socket and ask the kernel to join datagrams of one flow, where it can.
    ///
    /// Reports of what the network refused are switched off: nobody reads them, and one that
    /// waits would keep the loop awake.
    pub fn new(fd: OwnedFd) -> Result<Self> {
        let v6 = match sockopt::socket_domain(&fd)? {
            AddressFamily::INET => false,
            AddressFamily::INET6 => true,
            _ => return Err(Errno::AFNOSUPPORT),
        };
        // A refusal is harmless: datagrams then come one by one.
        let _ = set(&fd, libc::SOL_UDP, libc::UDP_GRO, 1);
        set(&fd, libc::SOL_IP, libc::IP_RECVERR, 0)?;
        if v6 {
            set(&fd, libc::SOL_IPV6, libc::IPV6_RECVERR, 0)?;
        }
        Ok(Self { fd, v6, segments: true })
    }

    /// Send one datagram without waiting.
    pub fn send(&self, datagram: &[u8], peer: SocketAddr) -> Result<()> {
        sendto(&self.fd, datagram, SendFlags::DONTWAIT, &self.mapped(peer)).map(drop)
    }

    /// Give a peer as the socket's own family names it.
    pub fn mapped(&self, peer: SocketAddr) -> SocketAddr {
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

fn set(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel reads `size` bytes of `value`, which is one `int`.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size) })
}

/// Read the address that the kernel wrote; a mapped one as what it is.
pub fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
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

/// Write an address for the kernel, and give its length.
pub fn write_name(peer: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were_written() {
        for peer in ["192.0.2.7:4500", "[2001:db8::7]:500"] {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(read_name(&write_name(peer).0), Some(peer));
        }
    }
}

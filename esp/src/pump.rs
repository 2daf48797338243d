//! Knows the loop: TUN <-> ESP <-> UDP, IKE beside it, all in one thread. Never waits but in epoll.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fmt, io};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use rustix::time::{ClockId, clock_gettime};
use zeroize::Zeroizing;

use crate::carry::{IKE_PORT, Inward, KEEPALIVE, NON_ESP_MARKER, Outward};
use crate::error::Result;
use crate::frame;
use crate::incoming::Incoming;
use crate::join::Join;
use crate::outgoing::{DATAGRAM_SIZE, Outgoing};
use crate::sa::{Inbound, Outbound};
use crate::sas::Sas;
use crate::tally::{Cause, Tally};
use crate::tun::Tun;
use crate::udp::{Udp, cause};

/// The descriptors between which the pump works.
pub struct Ports {
    /// Inner packets.
    pub tun: Tun,
    /// ESP and IKE datagrams.
    pub udp: Udp,
    /// Our end of the socket pair that carries IKE messages.
    pub ike: OwnedFd,
    /// Becomes readable when an order waits.
    pub wake: Arc<OwnedFd>,
}

/// What the pump is told to do.
pub enum Order {
    /// Receive on one more SA.
    InstallInbound(Box<Inbound>),
    /// Receive no more on the SA with this SPI.
    RemoveInbound(u32),
    /// Send on this SA from now on, to this peer.
    InstallOutbound(Outbound, SocketAddr),
    /// Send no more.
    RemoveOutbound,
    /// End.
    Stop,
}

/// An order, and where to say that it was carried out.
pub type Post = (Order, mpsc::SyncSender<Result<()>>);

/// Why the loop ended without being told to.
#[derive(Debug)]
pub enum Failure {
    /// The TUN device is gone.
    Tun(Errno),
    /// Nobody listens to IKE any more.
    IkeClosed,
    /// The kernel refused what it never should.
    Kernel(&'static str, Errno),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tun(errno) => write!(f, "the TUN device is gone: {}", io::Error::from(*errno)),
            Self::IkeClosed => f.write_str("the IKE socket was closed"),
            Self::Kernel(what, errno) => write!(f, "{what}: {}", io::Error::from(*errno)),
        }
    }
}

/// The loop and all that it owns.
pub struct Pump {
    ports: Ports,
    posts: mpsc::Receiver<Post>,
    tally: Arc<Tally>,
    keepalive: Duration,
    sas: Sas,
    last_sent: Duration,
    incoming: Incoming,
    outgoing: Outgoing,
    super_packet: Zeroizing<Box<[u8]>>,
    frame: Box<[u8]>,
}

impl Pump {
    /// Make a pump without any SA.
    pub fn new(ports: Ports, posts: mpsc::Receiver<Post>, tally: Arc<Tally>, keepalive: Duration) -> Self {
        Self {
            ports,
            posts,
            tally,
            keepalive,
            sas: Sas::default(),
            last_sent: boot_clock(),
            incoming: Incoming::new(),
            outgoing: Outgoing::new(),
            super_packet: Zeroizing::new(vec![0; MAX_PACKET].into()),
            frame: vec![0; MAX_FRAME].into(),
        }
    }

    /// Work until told to stop.
    pub fn run(&mut self) -> std::result::Result<(), Failure> {
        let epoll = self.watch().map_err(|errno| Failure::Kernel("epoll", errno))?;
        let mut events = Vec::with_capacity(TOKENS);
        loop {
            events.clear();
            let timeout = self.send_keepalive();
            match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Failure::Kernel("epoll", errno)),
            }
            for event in &events {
                match event.data.u64() {
                    WAKE => {
                        if self.obey() {
                            return Ok(());
                        }
                    }
                    UDP => self.carry_in(),
                    TUN => self.carry_out()?,
                    _ => self.carry_ike()?,
                }
            }
        }
    }

    fn watch(&self) -> rustix::io::Result<OwnedFd> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let Ports { tun, udp, ike, wake } = &self.ports;
        for (token, fd) in [(WAKE, wake.as_fd()), (UDP, udp.as_fd()), (TUN, tun.as_fd()), (IKE, ike.as_fd())] {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?;
        }
        Ok(epoll)
    }

    /// Carry out every order that waits; say whether to end.
    fn obey(&mut self) -> bool {
        // Reading resets the counter; another wake may have come first, then there is nothing to read.
        let _ = rustix::io::read(&self.ports.wake, &mut [0; 8]);
        while let Ok((order, done)) = self.posts.try_recv() {
            let stop = matches!(order, Order::Stop);
            // Whoever asked may have gone away; the order stands.
            let _ = done.send(self.carry_out_order(order));
            if stop {
                // A farewell may wait on the socket pair; whether the network takes it changes nothing here.
                let _ = self.carry_ike();
                return true;
            }
        }
        false
    }

    fn carry_out_order(&mut self, order: Order) -> Result<()> {
        match order {
            Order::InstallInbound(sa) => self.sas.install_inbound(*sa)?,
            Order::RemoveInbound(spi) => self.sas.remove_inbound(spi),
            Order::InstallOutbound(sa, peer) => self.sas.install_outbound(sa, peer),
            Order::RemoveOutbound => self.sas.remove_outbound(),
            Order::Stop => {}
        }
        Ok(())
    }

    /// Keep the NAT's mapping alive (RFC 3948 §2.3); give how long to wait for the next time.
    fn send_keepalive(&mut self) -> Option<Timespec> {
        let peer = self.sas.peer()?;
        let now = boot_clock();
        let quiet = now.saturating_sub(self.last_sent);
        if quiet < self.keepalive {
            return (self.keepalive - quiet).try_into().ok();
        }
        if let Err(errno) = self.ports.udp.send(&KEEPALIVE, peer) {
            self.tally.count_drop(cause(errno), 1);
        }
        self.last_sent = now;
        self.keepalive.try_into().ok()
    }

    /// Take one batch from the network.
    fn carry_in(&mut self) {
        match self.incoming.receive(&self.ports.udp) {
            Ok(()) => self.tally.batches_in.add(1),
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(errno) if cause(errno) == Cause::Unreachable => return self.tally.count_drop(Cause::Unreachable, 1),
            Err(_) => return self.tally.count_drop(Cause::ReceiveFailed, 1),
        }
        let mut inward = Inward {
            sas: self.sas.inbound(),
            tun: &mut self.ports.tun,
            ike: self.ports.ike.as_fd(),
            tally: &self.tally,
            join: Join::new(),
            authentic: false,
        };
        for (source, datagram) in self.incoming.datagrams() {
            if let Err(cause) = inward.take(source, datagram) {
                self.tally.count_drop(cause, 1);
            }
        }
        inward.flush();
        if inward.authentic {
            self.tally.last_inbound.set(boot_clock().as_millis() as u64);
        }
    }

    /// Take one batch from the TUN device.
    fn carry_out(&mut self) -> std::result::Result<(), Failure> {
        let mut budget = TUN_BATCH;
        while budget > 0 {
            let (offload, size) = match self.ports.tun.read(&mut self.super_packet) {
                Ok(Some(read)) => read,
                Ok(None) => {
                    budget -= 1;
                    self.tally.count_drop(Cause::OutboundMalformed, 1);
                    continue;
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => return Err(Failure::Tun(errno)),
            };
            budget = budget.saturating_sub(size.div_ceil(DATAGRAM_SIZE).max(1));
            let Some((sa, peer)) = self.sas.outbound() else {
                self.tally.count_drop(Cause::NoSa, 1);
                continue;
            };
            let mut outward = Outward { sa, peer, udp: &mut self.ports.udp, tally: &self.tally };
            if let Err(cause) = outward.seal(offload, &self.super_packet[..size], &mut self.outgoing) {
                self.tally.count_drop(cause, 1);
            }
        }
        if let Some(peer) = self.sas.peer()
            && self.outgoing.flush(&mut self.ports.udp, peer, &self.tally)
        {
            self.last_sent = boot_clock();
        }
        Ok(())
    }

    /// Send the IKE messages that wait on the socket pair.
    fn carry_ike(&mut self) -> std::result::Result<(), Failure> {
        for _ in 0..IKE_BATCH {
            let (size, _) = match recv(&self.ports.ike, &mut *self.frame, RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Err(Failure::IkeClosed),
                Ok(received) => received,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => return Err(Failure::Kernel("the IKE socket", errno)),
            };
            if let Err(cause) = self.send_ike(size) {
                self.tally.count_drop(cause, 1);
            }
        }
        Ok(())
    }

    fn send_ike(&mut self, size: usize) -> std::result::Result<(), Cause> {
        let (peer, message) = frame::split(&self.frame[..size]).map_err(|_| Cause::IkeFrame)?;
        let clear = peer.port() == IKE_PORT;
        let start = size - message.len() - if clear { 0 } else { NON_ESP_MARKER.len() };
        if !clear {
            self.frame[start..start + NON_ESP_MARKER.len()].copy_from_slice(&NON_ESP_MARKER);
        }
        self.ports.udp.send(&self.frame[start..size], peer).map_err(cause)?;
        if self.sas.peer() == Some(peer) {
            self.last_sent = boot_clock();
        }
        Ok(())
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // Whoever notices the end finds no key left.
        self.sas = Sas::default();
        // The other end must notice even if somebody keeps a copy of ours. It may be closed already.
        let _ = shutdown(&self.ports.ike, Shutdown::Both);
    }
}

/// Read the clock that goes on while the machine sleeps.
pub fn boot_clock() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

// Our choices.

const WAKE: u64 = 0;
const UDP: u64 = 1;
const TUN: u64 = 2;
const IKE: u64 = 3;
const TOKENS: usize = 4;
const TUN_BATCH: usize = 64;
const IKE_BATCH: usize = 16;
const MAX_PACKET: usize = (1 << 16) + 64;
const MAX_FRAME: usize = 1 << 16;

//! Knows how others hold a pump: start it, give it orders, stop it. Never sees a packet.

use std::any::Any;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{SocketType, sockopt};

use crate::error::{Error, Result};
use crate::pump::{Failure, Order, Ports, Post, Pump, boot_clock};
use crate::sa::{Inbound, Outbound};
use crate::tally::Tally;
use crate::tun::Tun;
use crate::udp::Udp;

/// A pump as others hold it.
pub struct Handle {
    stage: Mutex<Stage>,
    wake: Arc<OwnedFd>,
    tally: Arc<Tally>,
    failed: Arc<Mutex<Option<String>>>,
    keepalive: Duration,
}

type Ended = std::result::Result<(), Failure>;

enum Stage {
    Ready(Box<Ports>),
    Running(mpsc::Sender<Post>, JoinHandle<()>),
    Stopped,
}

impl Handle {
    /// Take copies of the descriptors; the caller keeps his own.
    pub fn new(tun: BorrowedFd<'_>, udp: BorrowedFd<'_>, ike: BorrowedFd<'_>, keepalive: f64) -> Result<Self> {
        let keepalive = Duration::try_from_secs_f64(keepalive).map_err(|_| Error::Keepalive)?;
        if keepalive < MIN_KEEPALIVE {
            return Err(Error::Keepalive);
        }
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(refused("eventfd"))?;
        let wake = Arc::new(wake);
        let ports = Ports {
            tun: copy(tun).and_then(Tun::new).map_err(refused("the TUN device"))?,
            udp: copy(udp).and_then(Udp::new).map_err(refused("the UDP socket"))?,
            ike: copy(ike).and_then(seqpacket).map_err(refused("the IKE socket"))?,
            wake: Arc::clone(&wake),
        };
        Ok(Self {
            stage: Mutex::new(Stage::Ready(Box::new(ports))),
            wake,
            tally: Arc::default(),
            failed: Arc::default(),
            keepalive,
        })
    }

    /// Start the thread; a pump starts once.
    pub fn start(&self) -> Result<()> {
        let mut stage = lock(&self.stage);
        let ports = match mem::replace(&mut *stage, Stage::Stopped) {
            Stage::Ready(ports) => ports,
            other => {
                *stage = other;
                return Err(Error::AlreadyStarted);
            }
        };
        let (sender, receiver) = mpsc::channel();
        let pump = Pump::new(*ports, receiver, Arc::clone(&self.tally), self.keepalive);
        let failed = Arc::clone(&self.failed);
        let thread = thread::Builder::new()
            .name("sekisho-esp".into())
            .spawn(move || run_to_the_end(pump, Pump::run, &failed))
            .map_err(|why| Error::Kernel("the pump's thread", why))?;
        *stage = Stage::Running(sender, thread);
        Ok(())
    }

    /// End the thread and wipe its keys; nothing happens if it has ended.
    pub fn stop(&self) {
        let stage = mem::replace(&mut *lock(&self.stage), Stage::Stopped);
        if let Stage::Running(sender, thread) = stage {
            // The thread may have ended by itself: then there is nobody to tell, and nothing to say.
            let _ = self.order(&sender, Order::Stop);
            let _ = thread.join();
        }
    }

    /// Receive on one more SA; it is in force on return.
    pub fn install_inbound(&self, sa: Inbound) -> Result<()> {
        self.tell(Order::InstallInbound(Box::new(sa)))
    }

    /// Receive no more on an SA; an unknown one, or a pump that does not run, is nothing to complain about.
    pub fn remove_inbound(&self, spi: u32) {
        let _ = self.tell(Order::RemoveInbound(spi));
    }

    /// Send on this SA from now on; it is in force on return.
    pub fn install_outbound(&self, sa: Outbound, peer: SocketAddr) -> Result<()> {
        self.tell(Order::InstallOutbound(sa, peer))
    }

    /// Send no more.
    pub fn remove_outbound(&self) {
        let _ = self.tell(Order::RemoveOutbound);
    }

    /// Say why the thread ended without being told to.
    pub fn failed(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    /// Show the counters.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Give the time since the last authentic packet.
    pub fn quiet(&self) -> Option<Duration> {
        let last = Some(self.tally.last_inbound.get()).filter(|last| *last > 0)?;
        Some(boot_clock().saturating_sub(Duration::from_millis(last)))
    }

    fn tell(&self, order: Order) -> Result<()> {
        let sender = match &*lock(&self.stage) {
            Stage::Running(sender, _) => sender.clone(),
            _ => return Err(Error::NotRunning),
        };
        self.order(&sender, order)
    }

    /// Post an order, wake the pump and wait for its answer; a pump that ended has closed the channel.
    fn order(&self, sender: &mpsc::Sender<Post>, order: Order) -> Result<()> {
        let (done, answer) = mpsc::sync_channel(1);
        sender.send((order, done)).map_err(|_| Error::NotRunning)?;
        rustix::io::write(&self.wake, &1u64.to_ne_bytes()).map_err(refused("eventfd"))?;
        answer.recv().map_err(|_| Error::NotRunning)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Run a pump to its end and note why it failed; only then drop it, for whoever notices may ask why.
fn run_to_the_end<P>(mut pump: P, run: impl FnOnce(&mut P) -> Ended, failed: &Mutex<Option<String>>) {
    let why = match catch_unwind(AssertUnwindSafe(|| run(&mut pump))) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure.to_string()),
        Err(panic) => Some(format!("a mistake in the pump: {}", words(&*panic))),
    };
    *lock(failed) = why;
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

fn copy(fd: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    fcntl_dupfd_cloexec(fd, 3)
}

fn seqpacket(fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
    match sockopt::socket_type(&fd)? {
        SocketType::SEQPACKET => Ok(fd),
        _ => Err(Errno::PROTOTYPE),
    }
}

fn refused(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Kernel(what, io::Error::from(errno))
}

/// Lock; a panic elsewhere leaves nothing half-changed behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Our choices.

const MIN_KEEPALIVE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    struct Fragile<'out> {
        failed: &'out Mutex<Option<String>>,
        seen_when_dropped: &'out Mutex<Option<String>>,
    }

    impl Drop for Fragile<'_> {
        fn drop(&mut self) {
            lock(self.seen_when_dropped).clone_from(&lock(self.failed));
        }
    }

    #[test]
    fn a_mistake_ends_the_pump_aloud_and_what_it_owned_goes_after_that() {
        let (failed, seen_when_dropped) = (Mutex::default(), Mutex::default());
        let pump = Fragile { failed: &failed, seen_when_dropped: &seen_when_dropped };
        run_to_the_end(pump, |_| panic!("out of range"), &failed);
        let said = Some("a mistake in the pump: out of range".to_string());
        assert_eq!((&*lock(&failed), &*lock(&seen_when_dropped)), (&said, &said));
    }
}

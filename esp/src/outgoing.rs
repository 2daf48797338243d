//! Knows how to send datagrams in batches, and which the kernel takes as one. Never reads one.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, Result};
use zeroize::Zeroizing;

use crate::tally::Tally;
use crate::tun::last_error;
use crate::udp::{Udp, cause, write_name};

/// A batch of datagrams to one peer, one behind the other without gaps.
pub struct Outgoing {
    bytes: Zeroizing<Box<[u8]>>,
    used: usize,
    sizes: Vec<usize>,
}

impl Outgoing {
    /// Reserve the room once.
    pub fn new() -> Self {
        Self {
            bytes: Zeroizing::new(vec![0; DATAGRAMS * DATAGRAM_SIZE].into()),
            used: 0,
            sizes: Vec::with_capacity(DATAGRAMS),
        }
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
            libc::sendmmsg(udp.as_fd().as_raw_fd(), headers.as_mut_ptr(), self.used as libc::c_uint, libc::MSG_DONTWAIT)
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

// Fixed by the kernel.

const MAX_SEGMENTS: usize = 64;
/// What a kernel answers that cannot cut a message into segments: no checksums in the device, or a smaller path.
const SEGMENTS_REFUSED: [Errno; 3] = [Errno::IO, Errno::INVAL, Errno::MSGSIZE];

// Our choices.

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
}

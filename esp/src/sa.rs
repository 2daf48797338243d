//! Knows one direction of one SA: its key, its numbers, its selectors. Never touches a descriptor.

use aws_lc_rs::digest;

use crate::cipher::{Cipher, Key};
use crate::error::{Error, Result};
use crate::packet::{self, HEADER_SIZE, Header, ICV_SIZE, TEXT_AT};
use crate::replay::Window;
use crate::selector::{Flow, Selectors};
use crate::tally::Cause;

/// What both directions are made from.
pub struct Material<'key> {
    /// The receiver's name for the SA.
    pub spi: u32,
    /// The algorithm.
    pub cipher: Cipher,
    /// Key and salt.
    pub key: &'key [u8],
    /// What the SA may carry.
    pub selectors: Selectors,
}

impl Material<'_> {
    fn key(&self) -> Result<Key> {
        if self.spi <= LAST_RESERVED_SPI {
            return Err(Error::ReservedSpi(self.spi));
        }
        Key::new(self.cipher, self.key)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, self.key).as_ref());
        fingerprint
    }
}

/// The SA on which we send.
pub struct Outbound {
    spi: u32,
    key: Key,
    selectors: Selectors,
    next: u64,
    fingerprint: Fingerprint,
}

impl Outbound {
    /// Begin at sequence number 1 (RFC 4303 §3.3.3).
    pub fn new(material: Material<'_>) -> Result<Self> {
        Ok(Self {
            spi: material.spi,
            key: material.key()?,
            fingerprint: material.fingerprint(),
            selectors: material.selectors,
            next: 1,
        })
    }

    /// Continue at a later sequence number.
    pub fn starting_at(self, next: u64) -> Result<Self> {
        if !(1..=LAST_SEQUENCE).contains(&next) {
            return Err(Error::Sequence);
        }
        Ok(Self { next, ..self })
    }

    /// Begin no earlier than where this key stopped, be it behind the last number.
    pub fn resuming(self, next: u64) -> Self {
        Self { next: self.next.max(next), ..self }
    }

    /// Give the number that the next packet takes.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Give what may be kept of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Seal the inner packet that lies at `TEXT_AT`; give the length of the ESP packet.
    ///
    /// `room` is the inner packet's length plus at least `packet::OVERHEAD`.
    pub fn seal(&mut self, room: &mut [u8], inner: usize) -> std::result::Result<usize, Cause> {
        let packet = &room[TEXT_AT..TEXT_AT + inner];
        let next_header = packet::next_header(packet).ok_or(Cause::OutboundMalformed)?;
        let flow = Flow::of(packet).ok_or(Cause::OutboundMalformed)?;
        if !self.selectors.admit_outbound(&flow) {
            return Err(Cause::OutboundSelector);
        }
        let sequence = self.number()?;
        let header = Header { spi: self.spi, sequence: sequence as u32 }.bytes();
        let iv = sequence.to_be_bytes();
        let end = TEXT_AT + packet::text_size(inner);
        let (head, rest) = room.split_at_mut(TEXT_AT);
        head[..HEADER_SIZE].copy_from_slice(&header);
        head[HEADER_SIZE..].copy_from_slice(&iv);
        let (text, icv) = rest.split_at_mut(end - TEXT_AT);
        packet::write_trailer(text, inner, next_header);
        icv[..ICV_SIZE].copy_from_slice(&self.key.seal(iv, header, text).ok_or(Cause::OutboundMalformed)?);
        Ok(end + ICV_SIZE)
    }

    /// Take the next number; after the last one nothing is sent any more (RFC 4303 §3.3.3).
    fn number(&mut self) -> std::result::Result<u64, Cause> {
        if self.next > LAST_SEQUENCE {
            return Err(Cause::Exhausted);
        }
        let number = self.next;
        self.next += 1;
        Ok(number)
    }
}

/// An SA on which we receive.
pub struct Inbound {
    spi: u32,
    key: Key,
    selectors: Selectors,
    window: Window,
    fingerprint: Fingerprint,
}

impl Inbound {
    /// Begin with nothing received.
    pub fn new(material: Material<'_>) -> Result<Self> {
        Ok(Self {
            spi: material.spi,
            key: material.key()?,
            fingerprint: material.fingerprint(),
            selectors: material.selectors,
            window: Window::new(),
        })
    }

    /// Give the name under which the peer sends.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// Give what may be kept of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Check and open an ESP packet in place; give its inner packet.
    ///
    /// The window is asked before the key is used, and moved only by authentic packets (RFC 4303 §3.4.3).
    pub fn open<'a>(&mut self, header: Header, datagram: &'a mut [u8]) -> std::result::Result<&'a [u8], Cause> {
        let sequence = u64::from(header.sequence);
        if !self.window.admits(sequence) {
            return Err(Cause::Replayed);
        }
        let (head, sealed) = datagram.split_at_mut_checked(TEXT_AT).ok_or(Cause::NotEsp)?;
        let iv = *head.last_chunk().ok_or(Cause::NotEsp)?;
        let text = self.key.open(iv, header.bytes(), sealed).ok_or(Cause::Forged)?;
        self.window.mark(sequence);
        let inner = packet::inner(text)?;
        let flow = Flow::of(inner).ok_or(Cause::InboundMalformed)?;
        if !self.selectors.admit_inbound(&flow) {
            return Err(Cause::InboundSelector);
        }
        Ok(inner)
    }
}

/// What may be kept of a key that is gone: its SHA-256.
pub type Fingerprint = [u8; 32];

// Fixed by RFC 4303.

const LAST_RESERVED_SPI: u32 = 255;
const LAST_SEQUENCE: u64 = u32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::OVERHEAD;
    use crate::selector::Selector;
    use proptest::prelude::*;

    fn material(spi: u32, key: &[u8]) -> Material<'_> {
        let all = Selector::new(0, 0..=u16::MAX, [0; 4].into(), [255; 4].into()).unwrap();
        let selectors = Selectors { local: vec![all.clone()], remote: vec![all] };
        Material { spi, cipher: Cipher::Aes256Gcm, key, selectors }
    }

    fn packet(length: usize) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet
    }

    fn sealed(sa: &mut Outbound, packet: &[u8]) -> std::result::Result<Vec<u8>, Cause> {
        let mut room = vec![0; packet.len() + OVERHEAD];
        room[TEXT_AT..TEXT_AT + packet.len()].copy_from_slice(packet);
        let size = sa.seal(&mut room, packet.len())?;
        room.truncate(size);
        Ok(room)
    }

    fn open(sa: &mut Inbound, mut datagram: Vec<u8>) -> std::result::Result<Vec<u8>, Cause> {
        let header = Header::read(&datagram)?;
        sa.open(header, &mut datagram).map(<[u8]>::to_vec)
    }

    #[test]
    fn after_the_last_number_nothing_is_sealed_any_more() {
        let mut sa = Outbound::new(material(1000, &[1; 36])).unwrap().starting_at(LAST_SEQUENCE).unwrap();
        assert!(sealed(&mut sa, &packet(40)).is_ok());
        assert_eq!(sealed(&mut sa, &packet(40)), Err(Cause::Exhausted));
        assert_eq!(sealed(&mut sa, &packet(40)), Err(Cause::Exhausted));
    }

    #[test]
    fn an_exhausted_key_comes_back_exhausted() {
        let mut last = Outbound::new(material(1000, &[1; 36])).unwrap().starting_at(LAST_SEQUENCE).unwrap();
        sealed(&mut last, &packet(40)).unwrap();
        let mut again = Outbound::new(material(1000, &[1; 36])).unwrap().resuming(last.next());
        assert_eq!(sealed(&mut again, &packet(40)), Err(Cause::Exhausted));
    }

    #[test]
    fn a_forged_packet_does_not_move_the_window() {
        let mut sender = Outbound::new(material(1000, &[1; 36])).unwrap();
        let mut receiver = Inbound::new(material(1000, &[1; 36])).unwrap();
        let first = sealed(&mut sender, &packet(40)).unwrap();
        let mut forged = first.clone();
        forged[4] = 0xff;
        assert_eq!(open(&mut receiver, forged), Err(Cause::Forged));
        assert_eq!(open(&mut receiver, first.clone()), Ok(packet(40)));
        assert_eq!(open(&mut receiver, first), Err(Cause::Replayed));
    }

    #[test]
    fn a_refused_packet_takes_no_number() {
        let mut sa = Outbound::new(material(1000, &[1; 36])).unwrap();
        assert_eq!(sealed(&mut sa, &[0x45; 40]), Err(Cause::OutboundMalformed));
        assert_eq!(sa.next, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_or_refused(mut datagram: Vec<u8>, length in 20usize..1500) {
            let mut receiver = Inbound::new(material(1000, &[1; 36])).unwrap();
            let _ = open(&mut receiver, datagram.clone());
            let mut sender = Outbound::new(material(1000, &[1; 36])).unwrap();
            let whole = sealed(&mut sender, &packet(length)).unwrap();
            datagram.splice(..0, whole.iter().copied());
            prop_assert_eq!(open(&mut receiver, whole), Ok(packet(length)));
            let _ = open(&mut receiver, datagram);
        }
    }
}

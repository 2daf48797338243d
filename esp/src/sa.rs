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
}

/// The SA on which we send.
pub struct Outbound {
    spi: u32,
    key: Key,
    selectors: Selectors,
    next: u64,
    fingerprint: digest::Digest,
}

impl Outbound {
    /// Begin at sequence number 1 (RFC 4303 §3.3.3).
    pub fn new(material: Material<'_>) -> Result<Self> {
        Ok(Self {
            spi: material.spi,
            key: material.key()?,
            selectors: material.selectors,
            next: 1,
            fingerprint: digest::digest(&digest::SHA256, material.key),
        })
    }

    /// Continue at a later sequence number.
    pub fn starting_at(self, next: u64) -> Result<Self> {
        if !(1..=LAST_SEQUENCE).contains(&next) {
            return Err(Error::Sequence);
        }
        Ok(Self { next, ..self })
    }

    /// Carry on the numbers of the SA that this one replaces, if both have one key: no nonce is used twice.
    pub fn succeeding(self, old: Option<&Self>) -> Self {
        match old {
            Some(old) if old.fingerprint.as_ref() == self.fingerprint.as_ref() => Self { next: old.next, ..self },
            _ => self,
        }
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
}

impl Inbound {
    /// Begin with nothing received.
    pub fn new(material: Material<'_>) -> Result<Self> {
        Ok(Self { spi: material.spi, key: material.key()?, selectors: material.selectors, window: Window::new() })
    }

    /// Give the name under which the peer sends.
    pub fn spi(&self) -> u32 {
        self.spi
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

// Fixed by RFC 4303.

const LAST_RESERVED_SPI: u32 = 255;
const LAST_SEQUENCE: u64 = u32::MAX as u64;

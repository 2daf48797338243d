//! Knows the AEAD algorithms and their keys. Never lends a key out, never prints one.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::packet::{HEADER_SIZE, ICV_SIZE, IV_SIZE};

/// An algorithm that protects a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// RFC 4106, 128-bit key.
    Aes128Gcm,
    /// RFC 4106, 256-bit key.
    Aes256Gcm,
    /// RFC 7634.
    ChaCha20Poly1305,
}

impl Cipher {
    /// Find a cipher by the name that policies use.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "aes128gcm16" => Ok(Self::Aes128Gcm),
            "aes256gcm16" => Ok(Self::Aes256Gcm),
            "chacha20poly1305" => Ok(Self::ChaCha20Poly1305),
            unknown => Err(Error::Cipher(unknown.into())),
        }
    }

    fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

/// The key of one SA, ready for use; AWS-LC wipes its own copy when it is freed.
pub struct Key {
    aead: LessSafeKey,
    salt: Zeroizing<[u8; SALT_SIZE]>,
}

impl Key {
    /// Take key and salt as they come out of KEYMAT (RFC 4106 §8.1, RFC 7634 §2).
    pub fn new(cipher: Cipher, material: &[u8]) -> Result<Self> {
        let wanted = cipher.algorithm().key_len() + SALT_SIZE;
        let refused = Error::KeySize { wanted, given: material.len() };
        let (key, salt) = match material.split_last_chunk() {
            Some(parts) if material.len() == wanted => parts,
            _ => return Err(refused),
        };
        let aead = LessSafeKey::new(UnboundKey::new(cipher.algorithm(), key).map_err(|_| refused)?);
        Ok(Self { aead, salt: Zeroizing::new(*salt) })
    }

    /// Encrypt a text in place and give its ICV; an IV must never be used twice.
    pub fn seal(&self, iv: [u8; IV_SIZE], clear: [u8; HEADER_SIZE], text: &mut [u8]) -> Option<[u8; ICV_SIZE]> {
        let tag = self.aead.seal_in_place_separate_tag(self.nonce(iv), Aad::from(clear), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Check and decrypt a text with its ICV in place.
    pub fn open<'a>(&self, iv: [u8; IV_SIZE], clear: [u8; HEADER_SIZE], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.aead.open_in_place(self.nonce(iv), Aad::from(clear), sealed).ok()
    }

    fn nonce(&self, iv: [u8; IV_SIZE]) -> Nonce {
        let mut nonce = [0; SALT_SIZE + IV_SIZE];
        nonce[..SALT_SIZE].copy_from_slice(self.salt.as_slice());
        nonce[SALT_SIZE..].copy_from_slice(&iv);
        Nonce::assume_unique_for_key(nonce)
    }
}

// Fixed by RFC 4106 §4 and RFC 7634 §2.

const SALT_SIZE: usize = 4;

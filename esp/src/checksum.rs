//! Knows the Internet checksum (RFC 1071). Never knows where one belongs.
//!
//! Sums are taken in the machine's own byte order, which RFC 1071 §2(B) allows, so a
//! result is stored with `to_ne_bytes`.

/// Add up bytes; all but the last part of what one checksum covers must have an even length.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    // At most 2^16 bytes come in, so no sum reaches 2^64; checked additions would hinder vectors.
    let add = |total: u64, word: &[u8; 4]| total.wrapping_add(u32::from_ne_bytes(*word).into());
    words.iter().fold(add(0, &last), add)
}

/// Fold a sum into 16 bits.
pub fn fold(mut sum: u64) -> u16 {
    while sum > u16::MAX.into() {
        sum = (sum & u64::from(u16::MAX)) + (sum >> 16);
    }
    sum as u16
}

/// Say whether a sum that covers the checksum itself proves it right.
pub fn is_right(sum: u64) -> bool {
    fold(sum) == u16::MAX
}

/// Add up the pseudo header of an upper layer (RFC 9293 §3.1, RFC 8200 §8.1).
pub fn pseudo(addresses: &[u8], protocol: u8, length: usize) -> u64 {
    sum(addresses) + sum(&[0, protocol]) + sum(&(length as u32).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §4.1, in the order of the network.
    fn slowly(bytes: &[u8]) -> u16 {
        let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum: u32 = words.sum();
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    proptest! {
        #[test]
        fn the_sum_agrees_with_the_one_of_rfc_1071(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(fold(sum(&bytes)).to_ne_bytes(), slowly(&bytes).to_be_bytes());
        }
    }

    #[test]
    fn a_real_header_is_right_and_a_changed_one_is_not() {
        let mut header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert!(is_right(sum(&header)));
        header[19] ^= 1;
        assert!(!is_right(sum(&header)));
    }
}

//! Knows the SAs of one pump, those in use and those that are gone. Never lets a key begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::error::{Error, Result};
use crate::sa::{Fingerprint, Inbound, Outbound};

/// All SAs of one pump.
#[derive(Default)]
pub struct Sas {
    inbound: Vec<Inbound>,
    outbound: Option<(Outbound, SocketAddr)>,
    gone_inbound: BTreeSet<Fingerprint>,
    gone_outbound: BTreeMap<Fingerprint, u64>,
}

impl Sas {
    /// Give those on which we receive.
    pub fn inbound(&mut self) -> &mut [Inbound] {
        &mut self.inbound
    }

    /// Give the one on which we send, and its receiver's address.
    pub fn outbound(&mut self) -> Option<(&mut Outbound, SocketAddr)> {
        self.outbound.as_mut().map(|(sa, peer)| (sa, *peer))
    }

    /// Say where we send to.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.outbound.as_ref().map(|(_, peer)| *peer)
    }

    /// Receive on one more SA.
    ///
    /// A key that was removed is refused: its window is gone, so every old packet would pass again.
    pub fn install_inbound(&mut self, sa: Inbound) -> Result<()> {
        if self.inbound.iter().any(|known| known.spi() == sa.spi()) {
            return Err(Error::SpiInUse(sa.spi()));
        }
        if self.gone_inbound.contains(&sa.fingerprint()) {
            return Err(Error::KeySpent(sa.spi()));
        }
        self.inbound.push(sa);
        Ok(())
    }

    /// Receive no more on an SA.
    pub fn remove_inbound(&mut self, spi: u32) {
        if let Some(at) = self.inbound.iter().position(|sa| sa.spi() == spi) {
            self.gone_inbound.insert(self.inbound.swap_remove(at).fingerprint());
        }
    }

    /// Send on this SA from now on.
    ///
    /// A key that sealed before goes on where it stopped: no nonce is used twice (RFC 4106 §3.1).
    pub fn install_outbound(&mut self, sa: Outbound, peer: SocketAddr) {
        self.remove_outbound();
        let next = self.gone_outbound.get(&sa.fingerprint()).copied().unwrap_or_default();
        self.outbound = Some((sa.resuming(next), peer));
    }

    /// Send no more.
    pub fn remove_outbound(&mut self) {
        if let Some((sa, _)) = self.outbound.take() {
            self.gone_outbound.insert(sa.fingerprint(), sa.next());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::Cipher;
    use crate::packet::{HEADER_SIZE, OVERHEAD, TEXT_AT};
    use crate::sa::Material;
    use crate::selector::{Selector, Selectors};
    use proptest::prelude::*;

    fn material(spi: u32, key: &[u8]) -> Material<'_> {
        let all = Selector::new(0, 0..=u16::MAX, [0; 4].into(), [255; 4].into()).unwrap();
        let selectors = Selectors { local: vec![all.clone()], remote: vec![all] };
        Material { spi, cipher: Cipher::Aes256Gcm, key, selectors }
    }

    fn iv_of_next(sa: &mut Outbound) -> [u8; 8] {
        let mut room = [0; 40 + OVERHEAD];
        (room[TEXT_AT], room[TEXT_AT + 3]) = (0x45, 40);
        sa.seal(&mut room, 40).unwrap();
        *room[HEADER_SIZE..].first_chunk().unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Install { spi: u32, key: u8 },
        Remove,
        Seal,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let install = (1000u32..1003, 0u8..3).prop_map(|(spi, key)| Step::Install { spi, key });
        prop::collection::vec(prop_oneof![2 => install, 1 => Just(Step::Remove), 3 => Just(Step::Seal)], 0..60)
    }

    proptest! {
        #[test]
        fn no_nonce_is_used_twice_however_keys_come_and_go(steps in steps()) {
            let (mut sas, mut used, mut in_use) = (Sas::default(), BTreeSet::new(), 0);
            for step in steps {
                match (step, sas.outbound()) {
                    (Step::Install { spi, key }, _) => {
                        in_use = key;
                        let sa = Outbound::new(material(spi, &[key; 36])).unwrap();
                        sas.install_outbound(sa, ([192, 0, 2, 1], 4500).into());
                    }
                    (Step::Remove, _) => sas.remove_outbound(),
                    (Step::Seal, Some((sa, _))) => prop_assert!(used.insert((in_use, iv_of_next(sa)))),
                    (Step::Seal, None) => {}
                }
            }
        }
    }

    #[test]
    fn an_inbound_key_is_taken_once() {
        let inbound = |spi: u32, key: u8| Inbound::new(material(spi, &[key; 36])).unwrap();
        let mut sas = Sas::default();
        assert!(sas.install_inbound(inbound(1000, 1)).is_ok());
        assert!(matches!(sas.install_inbound(inbound(1000, 2)), Err(Error::SpiInUse(1000))));
        sas.remove_inbound(1000);
        assert!(matches!(sas.install_inbound(inbound(1000, 1)), Err(Error::KeySpent(1000))));
        assert!(sas.install_inbound(inbound(1000, 2)).is_ok());
    }
}

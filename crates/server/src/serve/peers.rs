//! How many connections each address holds open, so that one cannot hold them all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The part of an IPv6 address that stands for one peer: a host usually has the other 64 bits to itself.
const NETWORK_BITS: u32 = 64;

/// Open connections by address.
pub(super) struct Peers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// `None` for as many as there are.
    each_max: Option<usize>,
}

/// One open connection of an address; it counts until this is dropped.
pub(super) struct Seat {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    peer: IpAddr,
}

impl Peers {
    pub(super) fn new(each_max: Option<usize>) -> Self {
        Self { open: Arc::default(), each_max }
    }

    /// Takes a further connection of `address`; `None` if it has as many as it may.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Seat> {
        let peer = peer(address);
        let mut open = locked(&self.open);
        let held = open.entry(peer).or_default();
        if self.each_max.is_some_and(|max| *held >= max) {
            return None;
        }
        *held += 1;
        Some(Seat { open: Arc::clone(&self.open), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = locked(&self.open);
        if let Some(held) = open.get_mut(&self.peer) {
            *held -= 1;
            if *held == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

fn locked(open: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose an address is: an IPv4 address is itself however it is written.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - NETWORK_BITS))).into(),
    }
}

#[cfg(test)]
mod tests;

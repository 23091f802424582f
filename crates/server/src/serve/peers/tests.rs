use super::*;

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address gets its seats and no more; whoever leaves makes room, and nothing is remembered of who left.
#[test]
fn each_address_has_its_seats() {
    let peers = Peers::new(Some(2));
    let first = peers.admit(at("192.0.2.1")).unwrap();
    let second = peers.admit(at("::ffff:192.0.2.1")).unwrap();
    assert!(peers.admit(at("192.0.2.1")).is_none());
    let other = peers.admit(at("192.0.2.2")).unwrap();
    drop(first);
    let third = peers.admit(at("192.0.2.1")).unwrap();
    assert!(peers.admit(at("192.0.2.1")).is_none());
    drop((second, third, other));
    assert!(locked(&peers.open).is_empty());
}

/// The hosts of one IPv6 network of 64 bits are one peer: each of them has as many addresses as it likes.
#[test]
fn an_ipv6_network_is_one_peer() {
    let peers = Peers::new(Some(1));
    let _seat = peers.admit(at("2001:db8:0:1::1")).unwrap();
    assert!(peers.admit(at("2001:db8:0:1:ffff::2")).is_none());
    assert!(peers.admit(at("2001:db8:0:2::1")).is_some());
}

/// Behind a proxy all connections come from its address.
#[test]
fn without_a_bound_all_are_admitted() {
    let peers = Peers::new(None);
    let seats: Vec<_> = (0..2_000).map(|_| peers.admit(at("127.0.0.1")).unwrap()).collect();
    assert_eq!(seats.len(), 2_000);
}

use super::*;
use crate::fixture::{allow, deny, emp, principal, public, snapshot};

/// R16: the reference itself, on the cases that say what it is for.
#[test]
fn the_reference_knows_the_plain_cases() {
    let ann = principal("acme", &[1]);
    let read = |grants| {
        let snapshot = snapshot("acme", grants, vec![]);
        (knows(&snapshot, &ann, &emp()), holds(&snapshot, &ann, &emp(), Privilege::Read))
    };
    assert_eq!(read(vec![]), (false, false));
    assert_eq!(read(vec![allow(1, Privilege::Read, &public())]), (true, true));
    assert_eq!(read(vec![allow(1, Privilege::Write, &public())]), (true, false));
    assert_eq!(read(vec![allow(2, Privilege::Read, &public())]), (false, false));
    let list_denied = vec![allow(1, Privilege::Read, &public()), deny(1, Privilege::List, &emp())];
    assert_eq!(read(list_denied), (false, false));
}

//! What may stand after a step of unknown outcome, and what may not.

use super::*;

fn own(held: Option<&str>, open: Option<Step>) -> Own {
    Own { writer: 7, held: held.map(|name| (name.to_owned(), "u".to_owned())), open }
}

fn settles(mut own: Own, standing: &[(&str, &str)]) -> bool {
    let standing = standing.iter().map(|(name, uuid)| ((*name).to_owned(), (*uuid).to_owned())).collect();
    own.settle(&standing).is_ok()
}

#[test]
fn an_answer_is_binding() {
    assert!(settles(own(Some("w7_0"), None), &[("w7_0", "u"), ("w8_0", "other")]));
    assert!(!settles(own(Some("w7_0"), None), &[]));
    assert!(!settles(own(Some("w7_0"), None), &[("w7_0", "another")]));
    assert!(!settles(own(Some("w7_0"), None), &[("w7_1", "u")]));
    assert!(!settles(own(None, None), &[("w7_0", "u")]));
}

#[test]
fn an_open_step_took_place_or_not() {
    let create = || own(None, Some(Step::Create("w7_1".to_owned())));
    assert!(settles(create(), &[]) && settles(create(), &[("w7_1", "new")]));
    assert!(!settles(create(), &[("w7_2", "new")]));
    let rename = || own(Some("w7_0"), Some(Step::Rename("w7_1".to_owned())));
    assert!(settles(rename(), &[("w7_0", "u")]) && settles(rename(), &[("w7_1", "u")]));
    assert!(!settles(rename(), &[]) && !settles(rename(), &[("w7_0", "u"), ("w7_1", "u")]));
    assert!(!settles(rename(), &[("w7_1", "another")]));
    let dropped = || own(Some("w7_0"), Some(Step::Drop));
    assert!(settles(dropped(), &[("w7_0", "u")]) && settles(dropped(), &[]));
    assert!(!settles(dropped(), &[("w7_0", "another")]));
}

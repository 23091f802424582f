use super::*;

/// R28: a word that is no privilege is refused, never taken for all or for none.
#[test]
fn an_unknown_privilege_is_refused() {
    for text in ["", "READ", "read ", "all", "*", "reads", "manage", "read_unrestricted,read"] {
        let error = text.parse::<Privilege>().unwrap_err();
        assert_eq!(error.code(), "unknown_privilege", "{text}");
        assert!(serde_json::from_value::<Privilege>(text.into()).is_err(), "{text}");
    }
}

/// Every privilege reads back from its word, in the API and in stored JSON alike.
#[test]
fn words_and_privileges_correspond() {
    for privilege in Privilege::ALL {
        assert_eq!(privilege.as_str().parse::<Privilege>().unwrap(), privilege);
        assert_eq!(serde_json::to_value(privilege).unwrap(), privilege.as_str());
    }
}

/// R16: privileges do not run into each other in a set.
#[test]
fn each_privilege_is_held_by_itself() {
    for one in Privilege::ALL {
        let set = Privileges::default().with(one);
        assert!(Privilege::ALL.into_iter().all(|other| set.holds(other) == (one == other)));
        assert_eq!(set.without(set), Privileges::default());
        assert_eq!(set.has_data(), one.is_data());
        assert_eq!(set.without_data().holds(one), !one.is_data() && one != Privilege::ReadUnrestricted);
    }
}

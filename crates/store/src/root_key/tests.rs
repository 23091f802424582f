use super::*;

/// A key file that others can read, that is malformed, or that exists already is refused.
#[test]
fn a_bad_key_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.key");
    let made = RootKey::create(&path).unwrap();
    assert_eq!(RootKey::load(&path).unwrap().0, made.0);
    assert_eq!(RootKey::create(&path).unwrap_err().code(), "root_key_unusable");
    assert_eq!(format!("{made:?}"), "RootKey(…)");
    for (text, code) in
        [("", "root_key_malformed"), ("zz", "root_key_malformed"), (&"+1".repeat(32), "root_key_malformed")]
    {
        std::fs::write(&path, text).unwrap();
        assert_eq!(RootKey::load(&path).unwrap_err().code(), code, "{text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&path, "0".repeat(64)).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(RootKey::load(&path).unwrap_err().code(), "root_key_exposed");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        RootKey::load(&path).unwrap();
    }
    assert_eq!(RootKey::load(&dir.path().join("absent")).unwrap_err().code(), "root_key_unusable");
}

/// What was sealed opens under its own key and context only, and no two seals are alike.
#[test]
fn a_seal_is_bound_to_its_key_and_context() {
    let keys = Keys::derive(&RootKey(Zeroizing::new([7; 32]))).unwrap();
    let other = Keys::derive(&RootKey(Zeroizing::new([8; 32]))).unwrap();
    let sealed = keys.stored.seal(b"row 1", b"secret").unwrap();
    assert_eq!(keys.stored.open(b"row 1", &sealed).unwrap().as_slice(), b"secret");
    assert!(keys.stored.open(b"row 2", &sealed).is_none());
    assert!(keys.pages.open(b"row 1", &sealed).is_none(), "each label has its own key");
    assert!(other.stored.open(b"row 1", &sealed).is_none());
    assert!(keys.stored.open(b"row 1", &sealed[..sealed.len() - 1]).is_none());
    assert!(keys.stored.open(b"row 1", b"").is_none());
    assert_ne!(sealed, keys.stored.seal(b"row 1", b"secret").unwrap());
    assert_ne!(keys.pepper, other.pepper);
}

use proptest::prelude::*;

use super::*;

const KEY: &str = "polder_abcdefghij234567klmn_AAAAAAAAAAAAAAAA-_AAAAAAAAAAAAAAAAAAAAAAAAA_0123abcd";
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";

/// names that only look a little like secrets stay as they are.
#[test]
fn ordinary_names_survive() {
    for name in [
        "",
        "partition_key=",
        "polder_",
        "polder_table",
        "polder_abcdefghij234567klmn",
        "polder_abcdefghij234567klmn_short",
        "eyJ",
        "eyJ.eyJ.x",
        "my.eyJar.of.tables",
        "namespace.polder_eyJ_polder_",
        "s3://bucket/a/b/00000-0192f0c1-metadata.json",
    ] {
        assert_eq!(redact(name), name);
    }
}

proptest! {
    /// a secret never passes, and nothing but the secret is replaced.
    #[test]
    fn a_secret_is_replaced_and_nothing_else(before in "[ -~ä\"{]{0,12}[ ,;:\"]", after in "([ ,;:\"][ -~ä\"}]{0,12})?") {
        prop_assume!(!before.contains("polder_") && !before.contains("eyJ"));
        prop_assume!(!after.contains("polder_") && !after.contains("eyJ"));
        for secret in [KEY, JWT] {
            prop_assert_eq!(redact(&format!("{before}{secret}{after}")), format!("{before}[redacted]{after}"));
        }
    }

    /// text without such a start is never touched.
    #[test]
    fn other_text_is_untouched(text in "\\PC{0,60}") {
        prop_assume!(!text.contains("polder_") && !text.contains("eyJ"));
        prop_assert_eq!(redact(&text), text);
    }
}

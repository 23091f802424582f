use proptest::prelude::*;

use super::*;

/// What the clients send: Java's, botocore's, and by hand.
#[test]
fn keys_are_read_as_the_store_reads_them() {
    for (body, expected) in [
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object>\
             <Key>base/t1/a.parquet</Key></Object><Object><Key>base/t1/b&amp;c</Key></Object><Quiet>true</Quiet></Delete>",
            vec!["base/t1/a.parquet", "base/t1/b&c"],
        ),
        ("<Delete>\n  <Quiet>false</Quiet>\n  <Object> <Key>a</Key> </Object>\n</Delete>\n", vec!["a"]),
        ("<Delete><Object><Key>&lt;&gt;&quot;&apos;&#65;&#x42;é</Key></Object></Delete>", vec!["<>\"'ABé"]),
    ] {
        assert_eq!(keys(body).unwrap(), expected, "{body}");
    }
    assert_eq!(digest("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
}

/// R21: whatever two readers could take differently is refused.
#[test]
fn anything_else_is_refused() {
    for body in [
        "",
        "<Delete></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key> a</Key></Object></Delete>",
        "<Delete><Object><Key>a\n</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        "<Delete><Object><Key>a<!-- --></Key></Object></Delete>",
        "<Delete><!-- <Object><Key>a</Key></Object> --></Delete>",
        "<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>",
        "<Delete><Object Key=\"b\"><Key>a</Key></Object></Delete>",
        "<Delete x=\"y\"><Object><Key>a</Key></Object></Delete>",
        "<!DOCTYPE d [<!ENTITY e \"b\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
        "<Delete><Object><Key>&e;</Key></Object></Delete>",
        "<Delete><Object><Key>&#0;</Key></Object></Delete>",
        "<Delete><Object><Key>&#10;</Key></Object></Delete>",
        "<Delete><Object><Key>&#x+41;</Key></Object></Delete>",
        "<Delete><Object><Key>a&</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><Delete><Object><Key>b</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>",
        "<delete><Object><Key>a</Key></Object></delete>",
        "<s3:Delete><Object><Key>a</Key></Object></s3:Delete>",
        "<?xml version=\"1.0\"?><?x <Delete/> ?><Delete><Object><Key>a</Key></Object></Delete>",
    ] {
        assert!(keys(body).is_err(), "{body}");
    }
    let many = "<Object><Key>a</Key></Object>".repeat(1_001);
    assert!(keys(&format!("<Delete>{many}</Delete>")).is_err());
    assert!(keys(&format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1_000))).is_ok());
}

proptest! {
    /// A key comes back as it was, and no text in it ends it early.
    #[test]
    fn a_key_comes_back_as_it_was(key in "[a-z&<>\"'/;#xé-]{1,20}") {
        let escaped = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let body = format!("<Delete><Object><Key>{escaped}</Key></Object></Delete>");
        prop_assert_eq!(keys(&body).unwrap(), vec![key]);
    }

    /// No body makes it panic.
    #[test]
    fn no_body_is_too_odd(body in "(<Delete>|</Delete>|<Object>|</Object>|<Key>|</Key>|&#|;|<\\?xml|\\?>|é|a){0,12}") {
        let _ = keys(&body);
    }
}

use polder_types::Namespace;

use super::*;

/// R2: where clients ask again is one path of encoded names, whatever is in them.
#[test]
fn endpoints_hold_names_encoded() {
    let namespace = Namespace::new(vec!["a b".to_owned(), "c.?*${}".to_owned()]).unwrap();
    let ident = TableIdent::new(namespace, "t#%&'\"é").unwrap();
    let Endpoints { credentials, sign } = Endpoints::of(&"lake".parse().unwrap(), &ident);
    let table = "v1/lake/namespaces/a%20b%1Fc.%3F%2A%24%7B%7D/tables/t%23%25%26%27%22%C3%A9";
    assert_eq!((credentials, sign), (format!("{table}/credentials"), format!("{table}/sign")));
}

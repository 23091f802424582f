use http::HeaderValue;
use polder_types::ErrorKind;

use super::*;
use crate::op;

fn read(op: &Op, values: &[&'static str]) -> Result<Option<Uuid>> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HEADER, HeaderValue::from_static(value));
    }
    key(op, &headers)
}

/// a key is one UUID of 36 characters, also where it is read and not kept; other mutations' doors take none, and
/// other reading asks for none.
#[test]
fn keys_are_uuids() {
    let good = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
    assert_eq!(read(&op::UPDATE_TABLE, &[]).unwrap(), None);
    assert_eq!(read(&op::UPDATE_TABLE, &[good]).unwrap(), good.parse().ok());
    for bad in [
        vec![""],
        vec!["once"],
        vec!["017f22e279b07cc398c4dc0c0c07398f"],
        vec!["{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}"],
        vec!["00000000-0000-0000-0000-000000000000"],
        vec!["017f22e2-79b0-7cc3-98c4-dc0c0c07398g"],
        vec![good, good],
    ] {
        for op in [op::UPDATE_TABLE, op::PLAN_TABLE_SCAN, op::CANCEL_PLANNING, op::FETCH_SCAN_TASKS] {
            assert_eq!(read(&op, &bad).unwrap_err().kind(), ErrorKind::Invalid, "{} {bad:?}", op.name);
        }
    }
    assert_eq!(read(&op::PLAN_TABLE_SCAN, &[good]).unwrap(), None);
    assert_eq!(read(&op::FETCH_PLANNING_RESULT, &["whatever"]).unwrap(), None);
    assert_eq!(read(&op::LOAD_TABLE, &["whatever"]).unwrap(), None);
    assert_eq!(read(&op::CREATE_KEY, &[good]).unwrap_err().kind(), ErrorKind::Unsupported);
}

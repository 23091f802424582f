use super::*;

fn names(text: &str) -> Vec<String> {
    parse(text).unwrap().into_iter().map(|ident| format!("{:?}/{}", ident.namespace.to_string(), ident.name)).collect()
}

/// A-074: the examples of the specification, encoded once, and once more as the parameter of a query.
#[test]
fn a_chain_is_read_outermost_first() {
    let wanted = [r#""prod.analytics"/quarterly_view"#, r#""prod.analytics"/monthly_view"#];
    assert_eq!(names("prod%1Fanalytics%1Fquarterly_view,prod%1Fanalytics%1Fmonthly_view"), wanted);
    assert_eq!(names("prod%251Fanalytics%251Fquarterly_view%2Cprod%251Fanalytics%251Fmonthly_view"), wanted);
    assert_eq!(names("ns%1Fa%2Cb,ns%1Fc"), [r#""ns"/a,b"#, r#""ns"/c"#]);
    assert_eq!(names("ns%251Fa%252Cb%2Cns%251Fc"), [r#""ns"/a,b"#, r#""ns"/c"#]);
}

/// R27, A-074: what names no view is refused, never skipped.
#[test]
fn what_names_no_view_is_refused() {
    for bad in
        ["v", ",", "ns%1Fv,", ",ns%1Fv", "%1Fv", "ns%1F", "ns%1Fv,w", "ns%1F%00", "ns%1F%FF", "ns.v", "a%1F..%1Fv"]
    {
        let error = parse(bad).unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Invalid, "{bad}");
    }
}

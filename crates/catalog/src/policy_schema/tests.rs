//! Tests of the conversion.

use super::*;

/// every type of the specification keeps its meaning, unknown ones can only be hidden or nulled.
#[test]
fn types_convert_as_the_specification_writes_them() {
    let cases = [
        ("decimal(9, 2)", Primitive::Decimal { precision: 9, scale: 2 }),
        ("decimal(38,0)", Primitive::Decimal { precision: 38, scale: 0 }),
        ("fixed[16]", Primitive::Fixed(16)),
        ("timestamptz", Primitive::Timestamp { zoned: true }),
        ("timestamp_ns", Primitive::TimestampNs { zoned: false }),
        ("variant", Primitive::Other),
        ("geometry(srid:4326)", Primitive::Other),
        ("decimal(x,2)", Primitive::Other),
        ("fixed[-1]", Primitive::Other),
    ];
    for (text, wanted) in cases {
        assert_eq!(primitive(text), wanted, "{text}");
    }
}

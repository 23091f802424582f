//! Tables with a past: evolved schemas, partitions, snapshots, files without ids.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Float32Array, Float64Array, Int32Array, ListArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Schema as ArrowSchema},
    record_batch::RecordBatch,
};
use iceberg::spec::{
    ListType, Literal as IcebergLiteral, NestedField, PartitionSpec, PrimitiveType, Struct, StructType, Transform, Type,
};
use polder_policy::{BoundMask, BoundPredicate, FieldRule, MaskAction, TablePolicy};
use polder_types::ErrorKind;
use serde_json::json;

use crate::scan::fixture::{Lake, arrow_of, column, lines, long, longs, open_policy, rows, schema, string, strings};

#[tokio::test]
async fn a_table_without_snapshots_has_no_rows() {
    let lake = Lake::new(schema(0, vec![long(1, "a")]));
    let mut document = lake.document().await;
    document["snapshots"] = json!([]);
    document["refs"] = json!({});
    document.as_object_mut().unwrap().remove("current-snapshot-id");
    let source = lake.open(&document, open_policy()).unwrap();
    assert!(lines(&source).await.unwrap().is_empty());
    assert_eq!(source.snapshot_id(), None);
}

/// Columns are found by field id: renamed, moved, dropped, widened and added ones.
#[tokio::test]
async fn evolved_columns_are_read_by_id() {
    let int = column(1, "small", PrimitiveType::Int, true);
    let float = column(2, "real", PrimitiveType::Float, false);
    let old = schema(0, vec![int, float, string(3, "gone"), string(4, "x"), string(5, "y")]);
    let kind = NestedField::optional(7, "kind", Type::Primitive(PrimitiveType::String));
    let kind = kind.with_initial_default(IcebergLiteral::string("old"));
    let big = column(1, "big", PrimitiveType::Long, true);
    let double = column(2, "real", PrimitiveType::Double, false);
    // The names of 4 and 5 are swapped, and a new column takes a dropped one's name.
    let new = schema(1, vec![string(5, "x"), string(4, "y"), big, double, string(6, "gone"), Arc::new(kind)]);
    let mut lake = Lake::new(old.clone());
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.5]));
    let columns = vec![ints, floats, strings(&[Some("dropped")]), strings(&[Some("four")]), strings(&[Some("five")])];
    lake.append(&rows(&old, columns), 1);
    lake.schemas.push(new.clone());
    let doubles = Arc::new(Float64Array::from(vec![1.5]));
    let texts = [strings(&[Some("5")]), strings(&[Some("4")]), strings(&[Some("new")]), strings(&[None])];
    let [x, y, gone, kind] = texts;
    lake.append(&rows(&new, vec![x, y, longs(&[Some(2)]), doubles, gone, kind]), 2);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["5|4|2|1.5|new|null", "five|four|1|0.5|null|old"]);
}

/// R35: the fields of a struct, moved and renamed after the file was written, keep their masks: by id, not by place.
#[tokio::test]
async fn nested_fields_keep_their_masks_when_they_move() {
    let nested = |first: Arc<NestedField>, second: Arc<NestedField>| {
        Arc::new(NestedField::optional(1, "s", Type::Struct(StructType::new(vec![first, second]))))
    };
    let old = schema(0, vec![nested(string(2, "ssn"), string(3, "city"))]);
    let new = schema(1, vec![nested(string(3, "ssn"), string(2, "city"))]);
    let DataType::Struct(fields) = arrow_of(&old).field(0).data_type().clone() else { panic!("a struct") };
    let person = StructArray::new(fields, vec![strings(&[Some("123-45")]), strings(&[Some("delft")])], None);
    let mut lake = Lake::new(old.clone());
    lake.append(&rows(&old, vec![Arc::new(person)]), 1);
    lake.schemas.push(new);
    let mask = FieldRule::Mask(BoundMask::Action(MaskAction::MaskAlphanum));
    let policy = TablePolicy { filter: BoundPredicate::True, fields: [(2, mask)].into() };
    let source = lake.source(policy).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["{ssn: delft, city: nnn-nn}"]);
}

#[tokio::test]
async fn fields_added_inside_lists_and_structs_are_null_in_old_files() {
    let listed = |fields: Vec<Arc<NestedField>>| {
        let element = NestedField::list_element(2, Type::Struct(StructType::new(fields)), true);
        Arc::new(NestedField::optional(1, "l", Type::List(ListType::new(Arc::new(element)))))
    };
    let old = schema(0, vec![listed(vec![column(3, "a", PrimitiveType::Int, true)])]);
    let new = schema(1, vec![listed(vec![string(4, "b"), column(3, "a", PrimitiveType::Long, true)])]);
    let DataType::List(element) = arrow_of(&old).field(0).data_type().clone() else { panic!("a list") };
    let DataType::Struct(fields) = element.data_type().clone() else { panic!("a struct") };
    let inner = StructArray::new(fields, vec![Arc::new(Int32Array::from(vec![1, 2, 3]))], None);
    let list = ListArray::new(element, OffsetBuffer::from_lengths([2, 0, 1]), Arc::new(inner), None);
    let mut lake = Lake::new(old.clone());
    lake.append(&rows(&old, vec![Arc::new(list)]), 1);
    lake.schemas.push(new);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["[]", "[{b: null, a: 1}, {b: null, a: 2}]", "[{b: null, a: 3}]"]);
}

#[tokio::test]
async fn a_required_column_that_a_file_lacks_is_an_error_not_a_null() {
    let old = schema(0, vec![long(1, "a")]);
    let mut lake = Lake::new(old.clone());
    lake.append(&rows(&old, vec![longs(&[Some(1)])]), 1);
    lake.schemas.push(schema(1, vec![long(1, "a"), column(2, "b", PrimitiveType::Long, true)]));
    assert!(lines(&lake.source(open_policy()).await.unwrap()).await.is_err());
}

/// The current snapshot is read in the table's current schema, one by id in its own.
#[tokio::test]
async fn an_older_snapshot_has_its_own_columns() {
    let old = schema(0, vec![long(1, "a"), string(2, "b")]);
    let mut lake = Lake::new(old.clone());
    lake.append(&rows(&old, vec![longs(&[Some(1)]), strings(&[Some("x")])]), 1);
    let mut document = lake.document().await;
    document["schemas"] = serde_json::to_value([&old, &schema(1, vec![long(1, "renamed")])]).unwrap();
    document["current-schema-id"] = json!(1);
    assert_eq!(lines(&lake.open(&document, open_policy()).unwrap()).await.unwrap(), ["1"]);
    assert_eq!(lines(&lake.open_at(&document, open_policy(), Some(1)).unwrap()).await.unwrap(), ["1|x"]);
    let absent = lake.open_at(&document, open_policy(), Some(9)).unwrap_err();
    assert_eq!((absent.kind(), absent.code()), (ErrorKind::NotFound, "unknown_snapshot"));
}

fn without_ids(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
    let fields: Vec<Field> = fields.collect();
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), batch.columns().to_vec()).unwrap()
}

#[tokio::test]
async fn files_without_ids_need_the_name_mapping() {
    let table = schema(0, vec![long(1, "a"), string(2, "b")]);
    let mut lake = Lake::new(table.clone());
    let batch = without_ids(&rows(&table, vec![longs(&[Some(1)]), strings(&[Some("x")])]));
    lake.append(&batch, 1);
    let error = lines(&lake.source(open_policy()).await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // What the file calls `b` is field 1: text is no `long`.
    let mapping = json!([{"field-id": 1, "names": ["b", "old"]}, {"field-id": 2, "names": ["elsewhere"]}]);
    lake.properties.insert("schema.name-mapping.default".to_owned(), mapping.to_string());
    assert!(lines(&lake.source(open_policy()).await.unwrap()).await.is_err());
    let mapping = json!([{"field-id": 2, "names": ["b", "old"]}]);
    lake.properties.insert("schema.name-mapping.default".to_owned(), mapping.to_string());
    assert_eq!(lines(&lake.source(open_policy()).await.unwrap()).await.unwrap(), ["null|x"]);
}

#[tokio::test]
async fn a_partition_column_that_the_file_lacks_comes_from_its_partition() {
    let table = schema(0, vec![long(1, "a"), string(2, "region")]);
    let mut lake = Lake::new(table.clone());
    let spec = PartitionSpec::builder(table).with_spec_id(1);
    lake.spec = spec.add_partition_field("region", "region", Transform::Identity).unwrap().build().unwrap();
    let mut file = lake.data(&rows(&schema(0, vec![long(1, "a")]), vec![longs(&[Some(1)])]));
    file.partition(Struct::from_iter([Some(IcebergLiteral::string("north"))])).partition_spec_id(1);
    lake.add(file.build().unwrap(), 1);
    let source = lake.source(open_policy()).await.unwrap();
    assert_eq!(lines(&source).await.unwrap(), ["1|north"]);
}

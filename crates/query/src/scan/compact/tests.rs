use std::sync::Arc;

use arrow::{
    array::{DictionaryArray, Int64Array, StringArray},
    buffer::NullBuffer,
    datatypes::{Fields, Int32Type, Schema},
    ipc::writer::StreamWriter,
    record_batch::RecordBatch,
};
use proptest::prelude::*;

use super::*;
use crate::scan::{random::table_rows, values::plain_field};

const CANARY: &[u8; 8] = b"CANARY!!";

fn canary() -> i64 {
    i64::from_le_bytes(*CANARY)
}

/// All buffers of an array and its children.
fn buffers_of(array: &ArrayRef) -> Vec<Buffer> {
    fn walk(data: &arrow::array::ArrayData, into: &mut Vec<Buffer>) {
        into.extend(data.buffers().iter().cloned());
        into.extend(data.nulls().map(|nulls| nulls.buffer().clone()));
        data.child_data().iter().for_each(|child| walk(child, into));
    }
    let mut all = Vec::new();
    walk(&array.to_data(), &mut all);
    all
}

/// Their bytes, without what a slice leaves out.
fn buffers(array: &ArrayRef) -> Vec<Vec<u8>> {
    buffers_of(array).iter().map(|buffer| buffer.as_slice().to_vec()).collect()
}

fn ipc(array: &ArrayRef, field: &Field) -> Vec<u8> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
    writer.write(&RecordBatch::try_new(schema.clone(), vec![array.clone()]).unwrap()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn holds_canary(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

/// Rebuilds an array in which a canary lies, and looks for it.
fn clean(array: &ArrayRef, nullable: bool) -> ArrayRef {
    cut_clean(array, array, nullable)
}

/// The same for an array that was cut from one in which a canary lies.
fn cut_clean(whole: &ArrayRef, array: &ArrayRef, nullable: bool) -> ArrayRef {
    assert!(buffers(whole).iter().any(|buffer| holds_canary(buffer)), "no canary to begin with");
    let field = Field::new("c", array.data_type().clone(), nullable);
    let fresh = rebuilt(array, &field).unwrap();
    fresh.to_data().validate_full().unwrap();
    assert_eq!(&fresh, array, "the values stay");
    assert!(!buffers(&fresh).iter().any(|buffer| holds_canary(buffer)), "in a buffer: {:?}", array.data_type());
    let old: Vec<_> = buffers_of(array).iter().map(Buffer::data_ptr).collect();
    let fresh_buffers = buffers_of(&fresh);
    let shared = |buffer: &Buffer| !buffer.is_empty() && (buffer.ptr_offset() != 0 || old.contains(&buffer.data_ptr()));
    assert!(!fresh_buffers.iter().any(shared), "memory is shared: {:?}", array.data_type());
    assert!(!holds_canary(&ipc(&fresh, &field)), "in the IPC bytes: {:?}", array.data_type());
    fresh
}

fn longs(values: Vec<i64>, valid: Vec<bool>) -> ArrayRef {
    Arc::new(Int64Array::new(values.into(), Some(NullBuffer::from(valid))))
}

fn texts(parts: &[&str], valid: Vec<bool>) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(parts.iter().map(|part| part.len()));
    let bytes = Buffer::from_vec(parts.concat().into_bytes());
    Arc::new(StringArray::new(offsets, bytes, Some(NullBuffer::from(valid))))
}

/// R39: no value beneath a null is left, in any type.
#[test]
fn values_beneath_nulls_are_gone() {
    clean(&longs(vec![1, canary(), 3], vec![true, false, true]), true);
    clean(&texts(&["a", "CANARY!!", "b"], vec![true, false, true]), true);
    let binary = arrow::array::LargeBinaryArray::from(vec![b"a".as_slice(), CANARY]);
    let (offsets, values, _) = binary.into_parts();
    let valid = Some(NullBuffer::from(vec![true, false]));
    clean(&(Arc::new(arrow::array::LargeBinaryArray::new(offsets, values, valid.clone())) as ArrayRef), true);
    let fixed = FixedSizeBinaryArray::new(8, Buffer::from([b"shown!!!".as_slice(), CANARY].concat()), valid);
    clean(&(Arc::new(fixed) as ArrayRef), true);
}

/// R39: what a null struct, list or map covers is gone, required children included.
#[test]
fn values_beneath_null_parents_are_gone() {
    let child = Arc::new(Int64Array::from(vec![1, canary()])) as ArrayRef;
    let valid = || Some(NullBuffer::from(vec![true, false]));
    for nullable in [true, false] {
        let fields = Fields::from(vec![Field::new("a", DataType::Int64, nullable)]);
        let parent: ArrayRef = Arc::new(StructArray::new(fields.clone(), vec![child.clone()], valid()));
        clean(&parent, true);
        let outer = Fields::from(vec![Field::new("s", DataType::Struct(fields), true)]);
        let inner = Arc::new(StructArray::new(
            Fields::from(vec![Field::new("a", DataType::Int64, nullable)]),
            vec![child.clone()],
            None,
        ));
        clean(&(Arc::new(StructArray::new(outer, vec![inner], valid())) as ArrayRef), true);
    }
    let element = Arc::new(Field::new("element", DataType::Int64, true));
    let list: ArrayRef = Arc::new(ListArray::new(element, OffsetBuffer::from_lengths([1, 1]), child.clone(), valid()));
    assert_eq!(clean(&list, true).as_list::<i32>().values().len(), 1);

    let pair = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)]);
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k", "CANARY!!"]));
    let entries = StructArray::new(pair.clone(), vec![keys, child], None);
    let entry = Arc::new(Field::new("key_value", DataType::Struct(pair), false));
    let map = MapArray::new(entry, OffsetBuffer::from_lengths([1, 1]), entries, valid(), false);
    clean(&(Arc::new(map) as ArrayRef), true);
}

/// R39: a slice brings nothing of what it was cut from, inside lists and structs too.
#[test]
fn slices_bring_nothing_along() {
    let cut = |whole: ArrayRef, from, len| cut_clean(&whole, &whole.slice(from, len), true);
    cut(longs(vec![canary(), 1, 2, canary()], vec![true; 4]), 1, 2);
    cut(texts(&["CANARY!!", "a", "b", "CANARY!!"], vec![true; 4]), 1, 2);
    let values = longs(vec![canary(), 1, 2, canary()], vec![true; 4]);
    let element = Arc::new(Field::new("element", DataType::Int64, true));
    let offsets = OffsetBuffer::new(vec![0, 1, 3, 4].into());
    cut(Arc::new(ListArray::new(element.clone(), offsets, values.clone(), None)), 1, 1);
    let partly = ListArray::new(element, OffsetBuffer::new(vec![1, 3].into()), values.clone(), None);
    clean(&(Arc::new(partly) as ArrayRef), true);
    let fields = Fields::from(vec![Field::new("a", DataType::Int64, true)]);
    cut(Arc::new(StructArray::new(fields, vec![values], None)), 1, 2);
}

/// R39: the validity of what lies beneath a null tells nothing either.
#[test]
fn nullness_beneath_a_null_parent_is_the_same_for_all() {
    let fields = Fields::from(vec![Field::new("a", DataType::Int64, true)]);
    let parents = [vec![Some(5), None], vec![Some(5), Some(6)]].map(|child| -> ArrayRef {
        let child = Arc::new(Int64Array::from(child));
        Arc::new(StructArray::new(fields.clone(), vec![child], Some(NullBuffer::from(vec![true, false]))))
    });
    let field = Field::new("s", parents[0].data_type().clone(), true);
    let [left, right] = parents.map(|parent| buffers(&rebuilt(&parent, &field).unwrap()));
    assert_eq!(left, right);
}

#[test]
fn a_null_in_a_required_field_is_an_error() {
    let field = Field::new("c", DataType::Int64, false);
    assert!(rebuilt(&longs(vec![1, 2], vec![true, false]), &field).is_err());
}

/// Views and dictionaries share buffers: they leave as plain values, and no field may ask for one.
#[test]
fn shared_types_leave_as_plain_ones() {
    let view: ArrayRef = Arc::new(arrow::array::StringViewArray::from(vec!["a"]));
    let dictionary: ArrayRef = Arc::new(vec!["a"].into_iter().collect::<DictionaryArray<Int32Type>>());
    for array in [view, dictionary] {
        assert!(rebuilt(&array, &Field::new("c", array.data_type().clone(), true)).is_err());
        let plain = rebuilt(&array, &Field::new("c", DataType::Utf8, true)).unwrap();
        assert_eq!(plain.as_string::<i32>().value(0), "a");
        assert!(rebuilt(&array, &Field::new("c", DataType::Int64, true)).is_err());
    }
}

proptest! {
    /// Whatever the batch, its slice is rebuilt to equal values in buffers that only depend on those values.
    #[test]
    fn equal_values_have_equal_buffers((rows, batch) in table_rows(), from in 0..6_usize) {
        let from = from.min(rows.len());
        let slice = batch.slice(from, rows.len() - from);
        for (column, field) in slice.columns().iter().zip(batch.schema().fields()) {
            let field = plain_field(field);
            let fresh = rebuilt(column, &field).unwrap();
            fresh.to_data().validate_full().unwrap();
            let again = rebuilt(&fresh, &field).unwrap();
            prop_assert_eq!(buffers(&fresh), buffers(&again));
            prop_assert_eq!(fresh.len(), column.len());
            prop_assert_eq!(fresh.logical_null_count(), column.logical_null_count());
        }
    }
}

/// R39: what passes as it is shows all of its memory; anything else is rebuilt into memory of just its size, so that a
/// query is charged for what it sees, whatever lay around that.
#[test]
fn only_what_shows_all_of_its_memory_passes_as_it_is() {
    let spare = |longs: &[i64]| {
        let mut values = Vec::with_capacity(100);
        values.extend_from_slice(longs);
        Arc::new(Int64Array::new(values.into(), None)) as ArrayRef
    };
    let wide = |parts: &[&str]| {
        let mut bytes = Vec::with_capacity(1_000);
        bytes.extend_from_slice(parts.concat().as_bytes());
        let offsets = OffsetBuffer::from_lengths(parts.iter().map(|part| part.len()));
        Arc::new(StringArray::new(offsets, Buffer::from_vec(bytes), None)) as ArrayRef
    };
    let exactly = |array: &ArrayRef| exact(array, &Field::new("c", array.data_type().clone(), true)).unwrap();
    let first = |array: &ArrayRef| buffers_of(array).first().map(Buffer::data_ptr);

    let numbers: ArrayRef = Arc::new(Int64Array::new(vec![1, 2].into(), None));
    let words: ArrayRef =
        Arc::new(StringArray::new(OffsetBuffer::from_lengths([1, 2]), Buffer::from_vec(b"abc".to_vec()), None));
    for (plain, others) in [
        (
            &numbers,
            vec![spare(&[1, 2]), longs(vec![1, 2, canary()], vec![true; 3]).slice(0, 2), spare(&[1, 2, 3]).slice(0, 2)],
        ),
        (
            &words,
            vec![wide(&["a", "bc"]), wide(&["a", "bc", "CANARY!!"]).slice(0, 2), wide(&["", "a", "bc"]).slice(1, 2)],
        ),
    ] {
        assert_eq!(first(&exactly(plain)), first(plain), "copied for nothing");
        for other in others {
            let passed = exactly(&other);
            assert_eq!((&passed, passed.get_array_memory_size()), (plain, plain.get_array_memory_size()), "{other:?}");
            assert_ne!(first(&passed), first(&other), "memory is shared");
            assert!(!buffers_of(&passed).iter().any(|buffer| buffer.capacity() != buffer.len()));
        }
    }
}

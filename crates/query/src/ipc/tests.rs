//! What a stream holds, byte by byte, and what it reads back as.

use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, DictionaryArray, Int64Array, Int64Builder, ListBuilder, MapBuilder, NullArray,
        StringArray, StringBuilder, StringViewArray, StructArray,
    },
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{Fields, Int32Type},
    ipc::reader::StreamReader,
};

use super::*;

const HIDDEN: &str = "hidden-canary-666-66-6666";
const HIDDEN_NUMBER: i64 = 0x6869_6464_656e_2121;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn written(batches: &[RecordBatch], bytes_max: usize) -> (Vec<u8>, PlainRows) {
    let rows = plain(batches, batches[0].schema_ref(), bytes_max).unwrap();
    (stream(&rows, "{}".to_owned()).unwrap(), rows)
}

fn read(bytes: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(bytes, None).unwrap().map(Result::unwrap).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Rows 0 and 2 are shown, row 1 is not; the buffers hold all three. Long texts, so that views share a buffer.
fn shared() -> RecordBatch {
    let texts = vec!["shown, and long enough for a view", HIDDEN, "also shown, also long enough"];
    let beneath = NullBuffer::from(vec![true, false, true]);
    let number = Int64Array::new(ScalarBuffer::from(vec![1, HIDDEN_NUMBER, 3]), Some(beneath.clone()));
    let text_beneath = StringArray::new(
        StringArray::from(texts.clone()).offsets().clone(),
        StringArray::from(texts.clone()).values().clone(),
        Some(beneath.clone()),
    );
    let fields = Fields::from(vec![Field::new("phone", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]);
    let children: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(texts.clone())), Arc::new(Int64Array::from(vec![1, HIDDEN_NUMBER, 3]))];
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for text in &texts {
        lists.append_value([Some(*text)]);
        maps.keys().append_value(text);
        maps.values().append_value(HIDDEN_NUMBER);
        maps.append(true).unwrap();
    }
    batch(vec![
        ("view", Arc::new(StringViewArray::from(texts.clone()))),
        ("dictionary", Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>())),
        ("number", Arc::new(number)),
        ("text", Arc::new(text_beneath)),
        ("struct", Arc::new(StructArray::new(fields, children, Some(beneath)))),
        ("list", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
        ("nothing", Arc::new(NullArray::new(3))),
    ])
}

/// R39: a slice's stream holds no byte of the rows around it: views, dictionaries, lists and maps share their buffers
/// with them.
#[test]
fn slices_carry_nothing_of_their_neighbours() {
    let all = shared();
    let number = HIDDEN_NUMBER.to_le_bytes();
    let (bytes, _) = written(std::slice::from_ref(&all), usize::MAX);
    assert!(holds(&bytes, HIDDEN.as_bytes()), "the canary is in what is shown, so the search would find it");
    for slice in [all.slice(0, 1), all.slice(2, 1), all.slice(3, 0)] {
        let shown = if slice.num_rows() == 0 { vec![] } else { slice.columns().to_vec() };
        let (bytes, rows) = written(&[slice], usize::MAX);
        assert!(!holds(&bytes, HIDDEN.as_bytes()));
        // The maps of the shown rows hold the number as their value.
        let without: Vec<(&str, ArrayRef)> = shown.iter().take(6).map(|array| ("c", array.clone())).collect();
        if !without.is_empty() {
            let (bytes, _) = written(&[batch(without)], usize::MAX);
            assert!(!holds(&bytes, &number));
        }
        assert!(!rows.truncated);
    }
}

/// R39: beneath a null lies a zero, in nested columns too.
#[test]
fn nothing_lies_beneath_a_null() {
    let all = shared();
    let (bytes, _) = written(&[all.project(&[2, 3, 4]).unwrap()], usize::MAX);
    assert!(!holds(&bytes, HIDDEN.as_bytes()));
    assert!(!holds(&bytes, &HIDDEN_NUMBER.to_le_bytes()));
    let read = read(&bytes);
    assert!(read[0].column(0).is_null(1) && read[0].column(1).is_null(1) && read[0].column(2).is_null(1));
}

/// R39: all that is not a value, an offset or the message's frame is zero: what pads a buffer is written, not left.
#[test]
fn padding_is_zero() {
    let one = batch(vec![("text", Arc::new(StringArray::from(vec!["q"])) as ArrayRef)]);
    let (bytes, _) = written(&[one], usize::MAX);
    let at = bytes.iter().rposition(|byte| *byte == b'q').unwrap();
    // The last buffer is padded to 64 bytes; then comes the end of the stream.
    let padding = &bytes[at + 1..bytes.len() - 8];
    assert!(padding.len() > 6 && padding.iter().all(|byte| *byte == 0), "{padding:?}");
}

/// S-092: every type reads back as what it was, in plain types.
#[test]
fn streams_read_back() {
    let all = shared();
    let (bytes, rows) = written(std::slice::from_ref(&all), usize::MAX);
    let read = read(&bytes);
    assert_eq!((rows.count, rows.truncated, read.len(), read[0].num_rows()), (3, false, 1, 3));
    let schema = read[0].schema();
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
    assert_eq!(schema.field(1).data_type(), &DataType::Utf8);
    assert_eq!(schema.metadata().get(HEAD_KEY).map(String::as_str), Some("{}"));
    assert_eq!(read[0].column(0).as_string::<i32>().value(1), HIDDEN);
    assert_eq!(read[0].column(1).as_string::<i32>().value(2), "also shown, also long enough");
    assert_eq!(
        read[0].column(5).as_list::<i32>().value(0).as_string::<i32>().value(0),
        "shown, and long enough for a view"
    );
    assert_eq!(
        read[0]
            .column(6)
            .as_map()
            .value(1)
            .column(1)
            .as_primitive::<datafusion::arrow::datatypes::Int64Type>()
            .value(0),
        HIDDEN_NUMBER
    );
}

/// S-035: bytes are cut at the cap, by whole rows, and the stream says so.
#[test]
fn bytes_are_cut_at_the_cap() {
    let texts = || batch(vec![("text", Arc::new(StringArray::from(vec!["0123456789"; 10])) as ArrayRef)]);
    let two = [texts(), texts()];
    for (bytes_max, count, truncated) in [(0, 0, true), (18, 1, true), (18 * 12, 12, true), (18 * 20, 20, false)] {
        let (bytes, rows) = written(&two, bytes_max);
        assert_eq!((rows.count, rows.truncated), (count, truncated), "{bytes_max}");
        assert_eq!(read(&bytes).iter().map(RecordBatch::num_rows).sum::<usize>(), count);
    }
}

/// An answer without rows is a stream with a schema.
#[test]
fn no_rows_are_a_schema() {
    let none = RecordBatch::new_empty(shared().schema());
    let (bytes, rows) = written(&[none], usize::MAX);
    assert_eq!((rows.count, rows.truncated), (0, false));
    assert_eq!(StreamReader::try_new(bytes.as_slice(), None).unwrap().schema().fields().len(), 8);
}

//! Functions that make long values, with bounds: what a call would make is estimated from its arguments before
//! anything is allocated (`repeat('x', 2147483647)`).
//!
//! SECURITY: the estimate looks at visible values only, and at each row for itself, so that a refusal tells nothing about
//! hidden rows. A bound on what a batch makes would: how many visible rows a batch has depends on the hidden ones between
//! them. Batches are short instead where a statement makes long values ([`rows_at_once`]), by the statement alone, and
//! what takes long is done portion by portion.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, AsArray},
        compute::cast,
        datatypes::{DataType, FieldRef, Int64Type, IntervalMonthDayNanoType, TimestampNanosecondType},
    },
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
    },
};

use super::{
    pattern::{PORTION_BYTES, check_patterns, in_portions},
    size::{Sizes, list_len},
};
use crate::{
    error::{Phase, carry, limit},
    watch::Watch,
};

/// Most bytes of one value that a function makes.
pub(crate) const VALUE_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of one value that a function is given of which it makes about as much again.
const SAME_BYTES_MAX: usize = 1024 * 1024;
/// About how many bytes all calls of a statement make for one batch, at most.
const BATCH_BYTES: usize = 64 * 1024 * 1024;
/// Fewest rows of a batch, however many calls.
const BATCH_ROWS_MIN: usize = 8;
/// Bytes that one letter of a time format makes, at most.
const FORMATTED_BYTES: usize = 16;
/// Most pairs of parts that one call looks at for one row: about a second of work, which nothing can cancel.
const PAIRS_MAX: usize = 1 << 27;
/// Bytes that a number takes as text, generously.
const NUMBER_TEXT_BYTES: usize = 40;

/// The name of the function that bounds the sides of `||`; no query can call it.
pub(super) const IDENTITY: &str = "polder_bounded";

/// How the size of what a function makes follows from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bound {
    /// `repeat(text, n)`, `array_repeat(element, n)`.
    Times,
    /// `lpad(text, n, …)`: n characters.
    Pad,
    /// `array_resize(list, n, fill)`.
    Resize,
    /// `range(start, stop, step)`.
    Series,
    /// `replace(text, from, to)`.
    Replace,
    /// `regexp_replace(text, pattern, to)`.
    RegexpReplace,
    /// `array_to_string(list, separator)`, `concat_ws(separator, …)`.
    Join,
    /// The sum of the arguments.
    Sum,
    /// As long as the first argument, about.
    Same,
    /// `to_char(time, format)`: a letter of the format stands for a word or two.
    Format,
    /// `levenshtein(a, b)`: makes little, but looks at every pair of their parts.
    Pairs,
    /// Only the pattern is bounded.
    Pattern,
}

impl Bound {
    /// True if the second argument is a regular expression.
    fn is_pattern(self) -> bool {
        matches!(self, Self::Pattern | Self::RegexpReplace)
    }

    /// True if a batch may be hours of work.
    pub(super) fn takes_long(self) -> bool {
        self.is_pattern() || self == Self::Pairs
    }

    /// True if the values may be long that a call makes.
    pub(super) fn makes_values(self) -> bool {
        !matches!(self, Self::Pattern | Self::Pairs)
    }

    /// What one row may come to, and what is said of more.
    fn row_max(self) -> (usize, fn() -> DataFusionError) {
        match self {
            Self::Pairs => (PAIRS_MAX, too_many_pairs),
            Self::Same => (SAME_BYTES_MAX, too_long),
            _ => (VALUE_BYTES_MAX, too_long),
        }
    }

    /// The bound of an engine's function, by its own name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "repeat" | "array_repeat" => Self::Times,
            "lpad" | "rpad" => Self::Pad,
            "array_resize" => Self::Resize,
            "range" | "generate_series" => Self::Series,
            "replace" => Self::Replace,
            "regexp_replace" => Self::RegexpReplace,
            "array_to_string" | "concat_ws" => Self::Join,
            "levenshtein" | "btrim" | "ltrim" | "rtrim" | "array_has_all" | "array_has_any" => Self::Pairs,
            "to_char" | "date_format" => Self::Format,
            "regexp_like" | "regexp_match" | "regexp_count" | "regexp_instr" => Self::Pattern,
            "concat" | "make_array" | "array_append" | "array_prepend" | "array_concat" | "array_union"
            | "arrays_zip" | "array_replace" | "array_replace_n" | "array_replace_all" | "struct" | "named_struct"
            | "overlay" | IDENTITY => Self::Sum,
            "translate" | "encode" | "string_to_array" | "flatten" | "initcap" | "upper" | "lower" => Self::Same,
            _ => return None,
        })
    }
}

/// A function of the engine with a bound.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounded {
    inner: Arc<ScalarUDF>,
    bound: Bound,
    /// The query that a function works for whose work takes long.
    watch: Option<Watch>,
}

impl Bounded {
    pub(super) fn new(inner: Arc<ScalarUDF>, bound: Bound) -> Self {
        Self { inner, bound, watch: None }
    }
}

/// A function whose work takes long, made to stop with its query.
pub(super) fn watched(udf: &Arc<ScalarUDF>, watch: &Watch) -> Arc<ScalarUDF> {
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    match inner.downcast_ref::<Bounded>() {
        Some(Bounded { inner, bound, .. }) => {
            let watched = Bounded { inner: inner.clone(), bound: *bound, watch: Some(watch.clone()) };
            Arc::new(ScalarUDF::new_from_impl(watched))
        }
        None => udf.clone(),
    }
}

/// True if a function carries its bound.
pub(super) fn is_bounded(udf: &ScalarUDF) -> bool {
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    inner.is::<Bounded>() || inner.is::<Identity>()
}

// `simplify` is left out on purpose: the engine's own would put the unbounded function back.
impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let work = check(self.bound, self.watch.as_ref(), &args)?;
        match &self.watch {
            Some(watch) => {
                let portion = if self.bound == Bound::Pairs { PAIRS_MAX } else { PORTION_BYTES };
                in_portions(watch, args, &work, portion, |args| self.inner.invoke_with_args(args))
            }
            None => self.inner.invoke_with_args(args),
        }
    }
}

fn too_long() -> DataFusionError {
    carry(limit(Phase::Run, format!("a function makes values of at most {VALUE_BYTES_MAX} bytes")))
}

fn too_many_pairs() -> DataFusionError {
    carry(limit(Phase::Run, "a function compares texts or lists that are too long to compare part by part"))
}

/// How many rows a batch may have in a statement with so many calls that make values; `None` for any.
pub(super) fn rows_at_once(calls: usize) -> Option<usize> {
    (calls > 0).then(|| (BATCH_BYTES / VALUE_BYTES_MAX / calls).max(BATCH_ROWS_MIN))
}

/// Estimates what a call makes of each row and refuses it if that is too much. Gives the work that each row is, where it
/// may be long.
fn check(bound: Bound, watch: Option<&Watch>, args: &ScalarFunctionArgs) -> Result<Vec<usize>> {
    let sizes = args.args.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?;
    if bound.is_pattern()
        && let Some(patterns) = args.args.get(1)
    {
        check_patterns(watch, patterns)?;
    }
    let estimate = Estimate::new(bound, args, &sizes)?;
    // A constant call is made once.
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { args.number_rows.min(1) } else { args.number_rows };
    let (max, refusal) = bound.row_max();
    let mut work = Vec::with_capacity(if bound.takes_long() { rows } else { 0 });
    for row in 0..rows {
        let made = estimate.row(row)?;
        if made > max {
            return Err(refusal());
        }
        if bound.takes_long() {
            work.push(if bound.is_pattern() { estimate.size(0, row) } else { made });
        }
    }
    Ok(work)
}

/// The arguments of one call, measured.
struct Estimate<'a> {
    bound: Bound,
    args: &'a [ColumnarValue],
    sizes: &'a [Sizes],
    counts: Option<Vec<usize>>,
    series: Option<Vec<usize>>,
}

impl<'a> Estimate<'a> {
    fn new(bound: Bound, args: &'a ScalarFunctionArgs, sizes: &'a [Sizes]) -> Result<Self> {
        let counts = match (bound, args.args.get(1)) {
            (Bound::Times | Bound::Pad | Bound::Resize, Some(count)) => Some(integers(count)?),
            _ => None,
        };
        let series = (bound == Bound::Series).then(|| series_lengths(&args.args, args.number_rows)).transpose()?;
        Ok(Self { bound, args: &args.args, sizes, counts, series })
    }

    fn size(&self, index: usize, row: usize) -> usize {
        self.sizes.get(index).map_or(0, |sizes| sizes.row(row))
    }

    fn count(&self, row: usize) -> usize {
        let counts = self.counts.as_deref().unwrap_or_default();
        match counts {
            [constant] => *constant,
            counts => counts.get(row).copied().unwrap_or(0),
        }
    }

    fn sum(&self, row: usize) -> usize {
        self.sizes.iter().map(|sizes| sizes.row(row)).fold(0, usize::saturating_add)
    }

    /// The bytes that the row's value takes, at most.
    fn row(&self, row: usize) -> Result<usize> {
        let first = self.size(0, row);
        Ok(match self.bound {
            Bound::Times => first.max(1).saturating_mul(self.count(row)),
            Bound::Pad => first.max(self.count(row).saturating_mul(4)),
            Bound::Resize => first.saturating_add(self.size(2, row).max(8).saturating_mul(self.count(row))),
            Bound::Series => {
                self.series.as_deref().and_then(|lengths| lengths.get(row)).map_or(0, |n| n.saturating_mul(8))
            }
            Bound::Replace => {
                let places = first / self.size(1, row).max(1) + 1;
                first.saturating_add(places.saturating_mul(self.size(2, row)))
            }
            Bound::RegexpReplace => {
                // Matches do not overlap, so each reference to a group copies the text at most once.
                let (to, places) = (self.size(2, row), first.saturating_add(1));
                first.saturating_add(places.saturating_mul(to)).saturating_add((to / 2).saturating_mul(first))
            }
            Bound::Join => {
                let elements: usize =
                    self.args.iter().map(|arg| list_len(arg, row)).sum::<Result<usize>>()?.max(self.args.len());
                let separator = self.size(0, row).min(self.size(1, row)).max(1);
                self.sum(row).saturating_add(elements.saturating_mul(NUMBER_TEXT_BYTES.saturating_add(separator)))
            }
            Bound::Format => self.size(1, row).saturating_mul(FORMATTED_BYTES),
            // Without a second argument blanks are looked for.
            Bound::Pairs => first.saturating_mul(self.size(1, row).max(1)),
            Bound::Sum | Bound::Same => self.sum(row),
            Bound::Pattern => 0,
        })
    }
}

/// The counts of an argument; null and negative ones are 0.
fn integers(value: &ColumnarValue) -> Result<Vec<usize>> {
    let array = match value {
        ColumnarValue::Array(array) => array.clone(),
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
    };
    let array = cast(&array, &DataType::Int64)?;
    let counts = array.as_primitive::<Int64Type>();
    Ok((0..counts.len())
        .map(|row| if counts.is_null(row) { 0 } else { usize::try_from(counts.value(row)).unwrap_or(0) })
        .collect())
}

/// How many elements each row of a series has, at most.
fn series_lengths(args: &[ColumnarValue], rows: usize) -> Result<Vec<usize>> {
    let args: Vec<_> = args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
    let is_integer = args.first().is_none_or(|first| first.data_type().is_integer() || first.data_type().is_null());
    if is_integer {
        let columns =
            args.iter().map(|arg| cast(arg, &DataType::Int64).map_err(Into::into)).collect::<Result<Vec<_>>>()?;
        let value = |index: usize, row: usize| {
            columns.get(index).map(|column| i128::from(column.as_primitive::<Int64Type>().value(row)))
        };
        return Ok((0..rows)
            .map(|row| match (value(0, row), value(1, row), value(2, row)) {
                (Some(stop), None, _) => clamp(stop.abs()),
                (Some(start), Some(stop), step) => clamp((stop - start).abs() / step.unwrap_or(1).abs().max(1)),
                _ => 0,
            })
            .map(|length| length.saturating_add(1))
            .collect());
    }
    let [start, stop, step] = args.as_slice() else { return Err(too_long()) };
    let nanos = DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Nanosecond, None);
    let (start, stop) = (cast(start, &nanos)?, cast(stop, &nanos)?);
    let step = cast(step, &DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano))?;
    let (start, stop) =
        (start.as_primitive::<TimestampNanosecondType>(), stop.as_primitive::<TimestampNanosecondType>());
    let step = step.as_primitive::<IntervalMonthDayNanoType>();
    Ok((0..rows)
        .map(|row| {
            const DAY: i128 = 86_400_000_000_000;
            if start.is_null(row) || stop.is_null(row) || step.is_null(row) {
                return 0;
            }
            let by = step.value(row);
            let by = i128::from(by.months) * 28 * DAY + i128::from(by.days) * DAY + i128::from(by.nanoseconds);
            let span = (i128::from(stop.value(row)) - i128::from(start.value(row))).abs();
            clamp(span / by.abs().max(1)).saturating_add(1)
        })
        .collect())
}

fn clamp(count: i128) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Gives back its argument after looking at its size; stands around both sides of `||`, invisible in names.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity(Signature);

impl ScalarUDFImpl for Identity {
    fn name(&self) -> &str {
        IDENTITY
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args.arg_fields.first().cloned().ok_or_else(too_long)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check(Bound::Sum, None, &args)?;
        args.args.into_iter().next().ok_or_else(too_long)
    }
}

/// Bounds an expression.
pub(super) fn identity(expr: Expr) -> Expr {
    let udf = ScalarUDF::new_from_impl(Identity(Signature::any(1, Volatility::Immutable)));
    Expr::ScalarFunction(ScalarFunction { func: Arc::new(udf), args: vec![expr] })
}

/// True if an expression is bounded already.
pub(super) fn is_identity(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(ScalarFunction { func, .. }) if func.name() == IDENTITY)
}

//! Patterns: regular expressions and LIKE. Matching takes the length of the text times the size of the pattern, and one batch may
//! hold hours of it that nothing can cancel. So patterns are small, also once they are compiled (`(a{100}){100}` is not),
//! and a batch is matched portion by portion, with a look in between whether anybody still waits.
//!
//! Owns the functions that stand for `~`, SIMILAR TO and for LIKE with many wildcards.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Datum, Scalar},
        compute::{
            cast, concat,
            kernels::comparison::{ilike, like},
        },
        datatypes::DataType,
        error::ArrowError,
    },
    common::ScalarValue,
    error::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, Like, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, expr::ScalarFunction,
    },
};
use regex::RegexBuilder;

use super::{FUNCTIONS, size::Sizes};
use crate::{
    error::{Phase, carry, limit},
    watch::Watch,
};

/// The name of the function that stands for LIKE; no query can call it.
pub(super) const LIKE: &str = "polder_like";
/// Most bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 1000;
/// Most bytes of a compiled regular expression.
const PROGRAM_BYTES_MAX: usize = 256 * 1024;
/// Bytes of text that are matched between two looks at the query.
pub(super) const PORTION_BYTES: usize = 256 * 1024;
/// With so few wildcards a LIKE is as fast as any comparison, and may be used to leave files out.
const WILDCARDS_FEW: usize = 3;

/// The function that stands for an operator with a pattern; anything else as it is.
pub(super) fn function(expr: Expr, watch: &Watch) -> Expr {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::RegexMatch => regexp(*left, *right, false, false),
            Operator::RegexIMatch => regexp(*left, *right, true, false),
            Operator::RegexNotMatch => regexp(*left, *right, false, true),
            Operator::RegexNotIMatch => regexp(*left, *right, true, true),
            op => Expr::BinaryExpr(BinaryExpr { left, op, right }),
        },
        Expr::SimilarTo(Like { negated, expr, pattern, escape_char: None, case_insensitive }) => {
            regexp(*expr, *pattern, case_insensitive, negated)
        }
        Expr::Like(Like { negated, expr, pattern, escape_char: None | Some('\\'), case_insensitive })
            if !is_simple(&pattern) =>
        {
            let matches = Matches {
                watch: watch.clone(),
                case_insensitive,
                signature: Signature::string(2, Volatility::Immutable),
            };
            let func = Arc::new(ScalarUDF::new_from_impl(matches));
            not(negated, Expr::ScalarFunction(ScalarFunction { func, args: vec![*expr, *pattern] }))
        }
        other => other,
    }
}

fn regexp(text: Expr, pattern: Expr, case_insensitive: bool, negated: bool) -> Expr {
    let mut args = vec![text, pattern];
    if case_insensitive {
        args.push(Expr::Literal(ScalarValue::Utf8(Some("i".to_owned())), None));
    }
    match FUNCTIONS.scalar.get("regexp_like") {
        Some(func) => not(negated, Expr::ScalarFunction(ScalarFunction { func: func.clone(), args })),
        // The list has it; without it nothing matches.
        None => Expr::Literal(ScalarValue::Boolean(None), None),
    }
}

fn not(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn is_simple(pattern: &Expr) -> bool {
    let Expr::Literal(value, _) = pattern else { return false };
    let text = value.try_as_str().flatten().unwrap_or_default();
    text.chars().filter(|c| matches!(c, '%' | '_')).count() <= WILDCARDS_FEW && text.len() <= PATTERN_BYTES_MAX
}

/// Refuses regular expressions that are too long, or too large once compiled. What does not compile is left to the engine.
pub(super) fn check_patterns(watch: Option<&Watch>, patterns: &ColumnarValue) -> Result<()> {
    let patterns = match patterns {
        ColumnarValue::Array(array) => array.clone(),
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
    };
    let patterns = texts(&patterns)?;
    let distinct: HashSet<&str> = patterns.as_string::<i64>().iter().flatten().collect();
    for pattern in distinct {
        watch.map_or(Ok(()), Watch::go_on)?;
        check_length(pattern)?;
        let compiled = RegexBuilder::new(pattern).size_limit(PROGRAM_BYTES_MAX).build();
        if matches!(compiled, Err(regex::Error::CompiledTooBig(_))) {
            return Err(carry(limit(
                Phase::Run,
                "a regular expression is too large once its repetitions are written out",
            )));
        }
    }
    Ok(())
}

fn check_length(pattern: &str) -> Result<()> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(carry(limit(Phase::Run, format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"))));
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(array, &DataType::LargeUtf8)?)
}

/// Calls a function for a portion of the rows at a time, as long as somebody waits for the query. `work` is what each row
/// is, `max` about what is done between two looks at the query.
pub(super) fn in_portions(
    watch: &Watch,
    args: ScalarFunctionArgs,
    work: &[usize],
    max: usize,
    call: impl Fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
) -> Result<ColumnarValue> {
    watch.go_on()?;
    let columnar = args.args.iter().any(|arg| matches!(arg, ColumnarValue::Array(_)));
    let total = work.iter().fold(0, |sum: usize, work| sum.saturating_add(*work));
    if !columnar || total <= max {
        return call(args);
    }
    let (mut made, mut from) = (Vec::new(), 0);
    while from < args.number_rows {
        watch.go_on()?;
        let mut left = max;
        let fits = |work: &&usize| left.checked_sub(**work).map(|rest| left = rest).is_some();
        let rows = work.iter().skip(from).take_while(fits).count().clamp(1, args.number_rows - from);
        made.push(call(portion(&args, from, rows))?.into_array(rows)?);
        from += rows;
    }
    let made: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
    Ok(ColumnarValue::Array(concat(&made)?))
}

fn portion(args: &ScalarFunctionArgs, from: usize, rows: usize) -> ScalarFunctionArgs {
    let cut = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, rows)),
        scalar @ ColumnarValue::Scalar(_) => scalar.clone(),
    };
    ScalarFunctionArgs {
        args: args.args.iter().map(cut).collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: rows,
        return_field: args.return_field.clone(),
        config_options: args.config_options.clone(),
    }
}

/// `text LIKE pattern` or ILIKE.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Matches {
    watch: Watch,
    case_insensitive: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Matches {
    fn name(&self) -> &'static str {
        LIKE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(patterns) = args.args.get(1) {
            let patterns = match patterns {
                ColumnarValue::Array(array) => array.clone(),
                ColumnarValue::Scalar(scalar) => scalar.to_array()?,
            };
            texts(&patterns)?.as_string::<i64>().iter().flatten().try_for_each(check_length)?;
        }
        let work = match args.args.first() {
            Some(text) => {
                let sizes = Sizes::of(text)?;
                (0..args.number_rows).map(|row| sizes.row(row)).collect()
            }
            None => Vec::new(),
        };
        in_portions(&self.watch, args, &work, PORTION_BYTES, |args| self.matches(&args))
    }
}

impl Matches {
    fn matches(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, pattern] = args.args.as_slice() else {
            return Err(ArrowError::InvalidArgumentError("LIKE has two sides".to_owned()).into());
        };
        let text = texts(&text.to_array(args.number_rows)?)?;
        let compare = if self.case_insensitive { ilike } else { like };
        // One pattern is compiled once.
        let pattern: Box<dyn Datum> = match pattern {
            ColumnarValue::Array(array) => Box::new(texts(array)?),
            ColumnarValue::Scalar(scalar) => Box::new(Scalar::new(texts(&scalar.to_array()?)?)),
        };
        Ok(ColumnarValue::Array(Arc::new(compare(&text, pattern.as_ref())?)))
    }
}

//! Weights, narrowness, and what cannot be read.

use http::{HeaderMap, HeaderValue, header::ACCEPT};

use super::negotiate;

const JSON: &str = "application/json";
const ARROW: &str = "application/vnd.apache.arrow.stream";

fn chosen(lines: &[&str]) -> Option<usize> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT, HeaderValue::from_str(line).unwrap());
    }
    negotiate(&headers, &[JSON, ARROW]).ok()
}

/// The form with the highest weight wins; of equals the one named more narrowly, then JSON; 406 if none is taken.
#[test]
fn the_heaviest_form_wins() {
    let (json, arrow, none) = (Some(0), Some(1), None);
    for (lines, expected) in [
        (&[][..], json),
        (&[""], json),
        (&["*/*"], json),
        (&["application/*"], json),
        (&[JSON], json),
        (&[ARROW], arrow),
        (&["APPLICATION/vnd.Apache.Arrow.Stream"], arrow),
        (&["application/json, application/vnd.apache.arrow.stream"], json),
        (&["application/vnd.apache.arrow.stream, application/json"], json),
        (&["application/vnd.apache.arrow.stream, */*"], arrow),
        (&["application/vnd.apache.arrow.stream;q=0.5, application/json;q=0.4"], arrow),
        (&["application/vnd.apache.arrow.stream;q=0.5, application/json;q=0.501"], json),
        (&["application/vnd.apache.arrow.stream ; q=0.5 , */* ; q=0.1"], arrow),
        (&["application/json;q=0, */*"], arrow),
        (&["application/json;q=0.0, application/*;q=0.2"], arrow),
        (&["text/html, application/json;q=0.9", ARROW], arrow),
        (&["text/html, image/gif, *; q=.2, */*; q=0.2"], json),
        (&["application/vnd.apache.arrow.file"], none),
        (&["text/csv"], none),
        (&["application/json;q=0"], none),
        (&["*/*;q=0"], none),
        (&["*/*;q=0, application/vnd.apache.arrow.stream;q=0.001"], arrow),
        (&["application/vnd.apache.arrow.stream;q=2"], none),
        (&["application/vnd.apache.arrow.stream;q=0.0001"], none),
        (&["application/vnd.apache.arrow.stream;q"], none),
        (&["application/vnd.apache.arrow.stream;version=2"], none),
        (&["application"], none),
        (&[",,,"], none),
    ] {
        assert_eq!(chosen(lines), expected, "{lines:?}");
    }
}

//! The files of a 加注, as browsers fetch them: named, cacheable, resumable.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::ops::Range;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::identity::PresentOwner;
use super::json::Path;
use super::problem::{Code, Problem, Problems};
use crate::render::Format;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pdf)).routes(routes!(ofd)).routes(routes!(preview))
}

macro_rules! documents {
    ($($(#[$doc:meta])* $name:ident $path:literal $media:literal $format:ident;)+) => {$(
        $(#[$doc])*
        #[utoipa::path(get, path = $path, tag = "holder", security(("bearer" = [])),
            params(("id" = String, Path), ("Range" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
            responses(
                (status = 200, content_type = $media, body = Vec<u8>),
                (status = 206, content_type = $media, body = Vec<u8>),
                (status = 304, description = "Unchanged"),
                Problems
            ))]
        async fn $name(owner: PresentOwner, State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
            document(owner, &app, &id, &headers, Format::$format, $media).await
        }
    )+};
}

documents! {
    /// The PDF, inside its use period.
    pdf "/api/v1/annotations/{id}/document.pdf" "application/pdf" Pdf;
    /// The OFD, inside its use period.
    ofd "/api/v1/annotations/{id}/document.ofd" "application/ofd" Ofd;
    /// A picture of the page.
    preview "/api/v1/annotations/{id}/preview.png" "image/png" Png;
}

async fn document(
    PresentOwner(owner): PresentOwner,
    app: &App,
    id: &str,
    headers: &HeaderMap,
    format: Format,
    media_type: &'static str,
) -> Result<Response, Problem> {
    let (made, licence) = app.register.file(owner.person(), id, format).await?;
    let etag = format!("\"{}\"", hex::encode(made.sha256));
    let name = crate::issue::batch::file_stem(&licence.number);
    let place = if format == Format::Png { "inline" } else { "attachment" };
    let common = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition(place, &name, format.extension())),
    ];
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|value| matches(value.as_bytes(), &etag)) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    // A range of another version of the file would be no part of this one.
    let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let asked = headers.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    Ok(match range(asked, made.bytes.len()) {
        Part::Whole => (common, Body::from(made.bytes.clone())).into_response(),
        Part::Of(range) => {
            let said = format!("bytes {}-{}/{}", range.start, range.end - 1, made.bytes.len());
            let part: Bytes = made.bytes.slice(range);
            (StatusCode::PARTIAL_CONTENT, common, [(header::CONTENT_RANGE, said)], Body::from(part)).into_response()
        }
        Part::None => {
            let said = format!("bytes */{}", made.bytes.len());
            ([(header::CONTENT_RANGE, said)], Problem::new(Code::BadRange, "the range lies outside the file")).into_response()
        }
    })
}

/// Whether an `If-None-Match` names the file, weakly (RFC 9110 13.1.2).
pub fn matches(value: &[u8], etag: &str) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// RFC 6266: an ASCII name for old programs, the true one for all others.
pub fn disposition(place: &str, name: &str, extension: &str) -> String {
    let ascii: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
    let encoded: String = name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("{place}; filename=\"{ascii}.{extension}\"; filename*=UTF-8''{encoded}.{extension}")
}

#[derive(PartialEq, Eq, Debug)]
enum Part {
    Whole,
    Of(Range<usize>),
    None,
}

/// RFC 9110 14.2. Several ranges, and what is no range at all, get the whole file.
fn range(asked: Option<&str>, length: usize) -> Part {
    let Some((first, last)) = asked.and_then(|asked| asked.strip_prefix("bytes=")?.trim().split_once('-')) else { return Part::Whole };
    let (first, last) = (first.trim(), last.trim());
    match (digits(first), digits(last)) {
        (Some(first), last_number) if last_number.is_some() || last.is_empty() => {
            let start = first.parse().unwrap_or(usize::MAX);
            let end = last_number.map_or(length, |last| last.parse().unwrap_or(usize::MAX).saturating_add(1));
            if end <= start && last_number.is_some() {
                return Part::Whole;
            }
            if start < length { Part::Of(start..end.min(length)) } else { Part::None }
        }
        (None, Some(suffix)) if first.is_empty() => match suffix.parse().unwrap_or(usize::MAX) {
            0 => Part::None,
            suffix => Part::Of(length.saturating_sub(suffix)..length),
        },
        _ => Part::Whole,
    }
}

fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_standard_has_them() {
        for (asked, part) in [
            ("bytes=0-3", Part::Of(0..4)),
            ("bytes=4-", Part::Of(4..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-30", Part::Of(0..10)),
            ("bytes=8-99999999999999999999999", Part::Of(8..10)),
            ("bytes=10-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=3-1", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=a-b", Part::Whole),
        ] {
            assert_eq!(range(Some(asked), 10), part, "{asked}");
        }
        assert_eq!(range(None, 10), Part::Whole);
    }

    #[test]
    fn a_file_is_named_after_the_licence_in_both_ways() {
        let said = disposition("attachment", "京111", "pdf");
        assert_eq!(said, "attachment; filename=\"111.pdf\"; filename*=UTF-8''%E4%BA%AC111.pdf");
        assert!(!disposition("attachment", "a\"\r\nb", "pdf").contains('\n'));
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        assert!(matches(b"\"x\", W/\"abc\"", "\"abc\"") && matches(b"*", "\"abc\"") && !matches(b"\"abcd\"", "\"abc\""));
    }
}

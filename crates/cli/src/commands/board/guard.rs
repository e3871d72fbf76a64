//! What is refused before anything is looked at, and what every answer says of itself to the browser.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// Of our pages: our script, our style sheet and nothing else. Plots colour their lines by attributes (`style="stroke:…"`), of
/// which there are too many to name each; style elements are not among what is let through, scripts neither.
const OURS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; \
                    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Of files that lie in the folders, reports and other pages: one file with its style and pictures within. `unsafe-inline` and no
/// hash, as style attributes have none and somebody's report may be of another version; no script at all, as ours have none, and
/// whoever gave away a folder could have put one in. The sandbox makes it a stranger to the pages of the board.
const FILES: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                     frame-ancestors 'none'; sandbox";

/// A page of a name that leads here may be anyone's (DNS rebinding): `Host` must be this machine's own. Nothing is changed by
/// asking, so nothing but GET and HEAD is answered.
pub fn refused(request: &Request, port: u16) -> Option<Response> {
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok()).unwrap_or("");
    // Of its usual port a browser says nothing.
    let names = |ours: &String| {
        host.eq_ignore_ascii_case(ours)
            || ours.strip_suffix(":80").is_some_and(|ours| host.eq_ignore_ascii_case(ours))
    };
    let is_ours = hosts.iter().any(names) && named.next().is_none();
    if !is_ours || request.uri().host().is_some() {
        return Some(plain(421, &format!("this board answers to http://{}/ and to no other name", hosts[0])));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(405, "the board is only looked at: GET and HEAD");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    None
}

/// A sentence.
pub fn plain(status: u16, text: &str) -> Response {
    of(status, "text/plain; charset=utf-8", OURS, format!("{text}\n").into_bytes())
}

/// A page of ours.
pub fn page(status: u16, html: String) -> Response {
    of(status, "text/html; charset=utf-8", OURS, html.into_bytes())
}

/// Our script, our style.
pub fn asset(kind: &str, text: String) -> Response {
    of(200, kind, OURS, text.into_bytes())
}

/// A file of a folder.
pub fn file(bytes: Vec<u8>) -> Response {
    of(200, "text/html; charset=utf-8", FILES, bytes)
}

fn of(status: u16, kind: &str, policy: &'static str, bytes: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", tallow_data::fingerprint(&bytes));
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let mut set = |name: HeaderName, value: &str| {
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("visible ASCII"));
    };
    set(header::CONTENT_TYPE, kind);
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    // Asked for again each time, and not sent again where it is the same.
    set(header::CACHE_CONTROL, "no-cache");
    if status == 200 {
        set(header::ETAG, &tag);
    }
    response
}

/// An answer that the browser has already is not sent again.
pub fn unless_known(response: Response, known: Option<&str>) -> Response {
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let is_known = tag.zip(known).is_some_and(|(tag, known)| known.split(',').any(|one| one.trim() == tag));
    if !is_known {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    Response::from_parts(parts, Body::empty())
}

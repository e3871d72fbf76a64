//! Which page is asked for, and its answer. A name in an address is looked up among the runs that were found; it never becomes a path.

use super::{Served, guard, pages, side};
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use std::path::Path;
use tallow_report::board;

/// What is asked, as it was written.
pub struct Asked {
    path: String,
    query: Vec<(String, String)>,
    /// The tags of answers that the browser has.
    known: Option<String>,
}

impl Asked {
    pub fn of(request: &Request) -> Asked {
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        Asked {
            path: request.uri().path().to_owned(),
            query: request.uri().query().map_or(Vec::new(), pairs),
            known: known.map(str::to_owned),
        }
    }

    /// The values of a name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn one(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub fn answer(board: &Served, asked: &Asked) -> Response {
    let response = page(board, asked).unwrap_or_else(|| {
        let problem = "There is no such page: a run that was here may have been moved or removed.";
        guard::page(404, board::failed("Not here", problem))
    });
    guard::unless_known(response, asked.known.as_deref())
}

fn page(board: &Served, asked: &Asked) -> Option<Response> {
    let of = |place: &str| asked.path.strip_prefix(place).and_then(name);
    match &*asked.path {
        "/" => Some(guard::page(200, pages::index(board, asked.one("filter").unwrap_or("")))),
        "/board.css" => Some(guard::asset("text/css; charset=utf-8", board::style())),
        "/board.js" => Some(guard::asset("text/javascript; charset=utf-8", board::SCRIPT.to_owned())),
        "/side" => Some(guard::page(200, side::page(board, asked))),
        path if path.starts_with("/run/") => Some(guard::page(200, pages::run(board, &of("/run/")?)?)),
        path if path.starts_with("/report/") => {
            let name = of("/report/")?;
            read(board.reader.look(|watch, _| watch.run(&name)?.report())?.as_path())
        }
        path if path.starts_with("/page/") => {
            let name = of("/page/")?;
            read(board.reader.look(|watch, _| watch.page(&name))?.as_path())
        }
        _ => None,
    }
}

/// No page of ours is larger.
const LARGEST: u64 = 256 << 20;

fn read(path: &Path) -> Option<Response> {
    std::fs::metadata(path).ok().filter(|data| data.len() <= LARGEST)?;
    std::fs::read(path).ok().map(guard::file)
}

/// The name that a path stands for, its parts as they were written: none that leads up or out, and no slash but those between them.
fn name(path: &str) -> Option<String> {
    let part = |part: &str| decoded(part, false).filter(|part| !part.contains(['/', '\\', '\0']));
    let parts: Vec<String> = path.split('/').map(part).collect::<Option<_>>()?;
    let is_odd = |part: &String| part.is_empty() || part == "." || part == "..";
    (!parts.iter().any(is_odd)).then(|| parts.join("/"))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    };
    query.split('&').filter_map(pair).collect()
}

/// Percent-encoded UTF-8; of a form a `+` is a space.
fn decoded(text: &str, is_form: bool) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (16 * digit(digits[0])? + digit(digits[1])?) as u8
            }
            b'+' if is_form => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The address of a name: all but letters, digits and a few signs is percent-encoded.
pub fn address(place: &str, name: &str) -> String {
    let mut out = place.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~=,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for text in ["a", "x_sweep/policy=mixup/seed=1", "<img src=x onerror=alert(1)>", "ä b%2F?#&", "a+b"]
        {
            assert_eq!(name(&address("", text)).as_deref(), Some(text));
        }
    }

    #[test]
    fn no_name_leads_out() {
        for text in [
            "..",
            "a/../b",
            "%2e%2e",
            "a%2Fb",
            "a%2fb",
            "a%5Cb",
            "a%00",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/",
            "",
            "%zz",
            "%4",
            "%ff",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn forms_are_read() {
        let asked = pairs("run=a%2Fb&run=c+d&metric=auroc&x");
        let texts: Vec<(&str, &str)> =
            asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(texts, [("run", "a/b"), ("run", "c d"), ("metric", "auroc"), ("x", "")]);
    }
}

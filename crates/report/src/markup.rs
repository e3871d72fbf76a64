//! Text for SVG and pictures in HTML: escaping, base64, and (in tests) whether tags balance.

/// Fit for XML: for element content and for attributes in double quotes. Characters that XML cannot hold become �.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// RFC 4648, with padding.
pub(crate) fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Every `<a>` has its `</a>`, properly nested, and no attribute points outside the document.
#[cfg(test)]
pub(crate) fn check(document: &str) -> Result<usize, String> {
    let (mut open, mut elements, mut rest) = (Vec::new(), 0, document);
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').ok_or("unclosed <")?;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        for attribute in ["href=\"", "src=\"", "url("] {
            if let Some((_, value)) = tag.split_once(attribute)
                && !(value.starts_with('#') || value.starts_with("data:"))
            {
                return Err(format!("points outside: <{tag}>"));
            }
        }
        if tag.matches('"').count() % 2 == 1 {
            return Err(format!("quotes: <{tag}>"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("unexpected </{name}> before {:.60}", rest));
            }
        } else {
            elements += 1;
            let name = tag.split_whitespace().next().unwrap_or("");
            if !tag.ends_with('/') && !["meta", "img", "wbr"].contains(&name) {
                open.push(name);
            }
        }
    }
    if open.is_empty() { Ok(elements) } else { Err(format!("unclosed: {open:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_vectors() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(of),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]
        );
        assert_eq!(base64(&[0xff, 0xef, 0xfe]), "/+/+");
    }

    #[test]
    fn escapes() {
        assert_eq!(escape("<a href='\"&\u{1}\">γ"), "&lt;a href=&#39;&quot;&amp;\u{fffd}&quot;&gt;γ");
    }

    #[test]
    fn the_checker_checks() {
        assert_eq!(check("<a x=\"1\"><b/>t</a>"), Ok(2));
        for bad in
            ["<a>", "<a></b>", "</a>", "<a x=\"></a>", "<a href=\"http://x\"/>", "<img src=\"x.png\"/>"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

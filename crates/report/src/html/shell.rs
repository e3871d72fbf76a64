//! What every page has: head, style, title, links to its parts; and a frame for what may be wider than a screen.

use crate::palette::THEME;
use crate::plot::STYLE;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) struct Part {
    /// What a link names.
    pub id: String,
    pub title: String,
    pub body: Markup,
}

const PAGE: &str = include_str!("page.css");

pub(crate) fn document(title: &str, subject: &str, parts: Vec<Part>) -> String {
    let style = html! { style { (PreEscaped(THEME)) (PreEscaped(STYLE)) (PreEscaped(PAGE)) } };
    let body = html! {
        header {
            h1 { (title) }
            @if !subject.is_empty() { p.subject { (subject) } }
            nav { @for part in &parts { a href={ "#" (part.id) } { (part.title) } " " } }
        }
        "\n"
        @for part in &parts {
            section id=(part.id) { h2 { (part.title) } (part.body) }
            "\n"
        }
    };
    frame(title, style, "", body)
}

/// A whole page: what stands in its head beside the title, the class of its body, what is within.
pub(crate) fn frame(title: &str, head: Markup, class: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                (head)
            }
            "\n"
            body class=[(!class.is_empty()).then_some(class)] { main { (body) } }
        }
        "\n"
    };
    page.into_string()
}

/// A frame that scrolls, by keys too, with a shadow on the side where there is more.
pub(crate) fn scroll(name: &str, body: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(name) { (body) } }
}

/// A line of small print; nothing where there is no text.
pub(crate) fn note(text: &str) -> Markup {
    html! { @if !text.is_empty() { p.note { (text) } } }
}

/// `--wide:8;--middle:6;--small:4;--tiny:3`: places in a row of a screen of each width, so that the last row is even.
pub(crate) fn columns(count: usize, wanted: [usize; 4]) -> String {
    let [wide, middle, small, tiny] = wanted.map(|wanted| crate::sheet::rows::columns(count, wanted, wanted));
    format!("--wide:{wide};--middle:{middle};--small:{small};--tiny:{tiny}")
}

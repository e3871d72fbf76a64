//! What every page of the board has: head, title, the way back, where it is said that the board is gone.

use crate::html::shell;
use maud::{Markup, html};

/// A page whose parts marked `data-live` are fetched again.
pub fn page(title: &str, header: Markup, body: Markup) -> String {
    let head = html! {
        link rel="icon" href="data:,";
        link rel="stylesheet" href="/board.css";
        script src="/board.js" defer {}
    };
    let body = html! {
        header {
            (header)
            noscript { p { a href="" { "refresh" } } }
        }
        p #status .ending role="status" hidden {}
        "\n"
        (body)
    };
    shell::frame(title, head, "board", body)
}

/// A part that is fetched again, with its heading.
pub fn live(id: &str, body: Markup) -> Markup {
    html! { div id=(id) data-live { (body) } "\n" }
}

pub fn section(id: &str, title: &str, body: Markup) -> Markup {
    html! { section id=(id) { h2 { (title) } (body) } "\n" }
}

/// The way to all runs.
pub fn back() -> Markup {
    html! { nav aria-label="the board" { a href="/" { "all runs" } } }
}

/// A page that says what is wrong.
pub fn failed(title: &str, problem: &str) -> String {
    page(title, html! { h1 { (title) } (back()) }, html! { p { (problem) } })
}

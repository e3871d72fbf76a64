//! The parts of the data, a column each: names of classes may be long, those of parts are not.

use super::shell::scroll;
use super::{DataNotes, Report, SplitNote};
use maud::{Markup, html};

impl Report {
    /// `None` where nothing is to be said.
    pub(super) fn data_table(&self) -> Option<Markup> {
        let DataNotes { splits, notes, broken } = &self.data;
        if splits.is_empty() && notes.is_empty() && broken.is_empty() {
            return None;
        }
        let classes = self.summary.as_ref().map_or(&[][..], |summary| &summary.per_class);
        let grouped = splits.iter().any(|split| split.groups.is_some());
        let counted = splits.iter().any(|split| !split.per_class.is_empty());
        let cell = |count: Option<u64>| count.map_or("–".into(), |count| count.to_string());
        let row = |name: &str, of: &dyn Fn(&SplitNote) -> Option<u64>| {
            html! { tr { th { (name) } @for split in splits { td.n { (cell(of(split))) } } } }
        };
        let table = html! {
            table {
                thead { tr { th { "images" } @for split in splits { th.n { (split.name) } } } }
                tbody {
                    @if counted {
                        @for (at, class) in classes.iter().enumerate() {
                            (row(&class.class, &|split| split.per_class.get(at).copied()))
                        }
                    }
                }
                tbody.sums {
                    (row("all", &|split| Some(split.images)))
                    @if grouped { (row("groups", &|split| split.groups)) }
                }
            }
        };
        Some(html! {
            @if !splits.is_empty() { (scroll("images of each class and part", table)) }
            @for note in notes { p.plain { (note) } }
            @if !broken.is_empty() {
                details {
                    summary { (broken.len()) " broken " (if broken.len() == 1 { "image" } else { "images" }) ", left out" }
                    ul { @for (id, problem) in broken { li { code { (id) } " " (problem) } } }
                }
            }
        })
    }
}

//! Thumbnails: what was predicted wrong, and a batch as the network saw it.

use super::shell::{columns, note};
use crate::markup::base64;
use crate::sheet::{png, present, thumbnail, words};
use crate::table::share;
use crate::{Result, Sheet, Tile, palette};
use maud::{Markup, html};
use tallow_data::Image;

/// What was predicted wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mistakes {
    pub wrong: u64,
    /// Of so many.
    pub images: u64,
    /// The most confident first.
    pub worst: Vec<Mistake>,
}

/// An image that was taken for one of another class.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub image: Image,
    pub id: String,
    pub truth: String,
    pub predicted: String,
    /// Of the class that was predicted, and of the true one.
    pub probability: f64,
    pub of_truth: f64,
}

/// The largest side of a thumbnail.
const SIDE: u32 = 160;
/// A name longer than this wants a wider place.
const LONG: usize = 16;

impl Mistakes {
    pub(super) fn html(&self) -> Result<Markup> {
        let Mistakes { wrong, images, worst } = self;
        let shown = match (*wrong, worst.len() as u64) {
            (0, _) => format!("None of {images} validation images was predicted wrong."),
            (wrong, all) if wrong == all => format!(
                "{wrong} of {images} validation images {}, the most confident first.",
                if wrong == 1 { "was predicted wrong" } else { "were predicted wrong" }
            ),
            (wrong, _) => format!(
                "{wrong} of {images} validation images were predicted wrong; shown are those that the network was surest of."
            ),
        };
        let figures = worst.iter().map(Mistake::html).collect::<Result<Vec<_>>>()?;
        Ok(html! {
            (note(&shown))
            div.sheet.roomy style=(columns(worst.len(), [6, 4, 3, 2])) { @for figure in figures { (figure) } }
        })
    }
}

impl Mistake {
    fn html(&self) -> Result<Markup> {
        let alt = format!("{} taken for {}", self.truth, self.predicted);
        Ok(html! {
            figure {
                (picture(&self.image, &alt)?)
                figcaption {
                    small { (id(&self.id, [&self.truth])) }
                    p { span.kind { "predicted" } b { (self.predicted) "\u{a0}" (share(self.probability)) } }
                    p { span.kind { "truth" } (self.truth) "\u{a0}" (share(self.of_truth)) }
                }
            }
        })
    }
}

pub(super) fn batch(sheet: &Sheet) -> Result<Markup> {
    let is_long = sheet.classes.iter().any(|name| name.chars().count() > LONG);
    let wanted = if is_long { [6, 4, 3, 2] } else { [8, 6, 4, 3] };
    let figures = sheet.tiles.iter().map(|tile| figure(tile, &sheet.classes)).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        (note(&sheet.title))
        div.sheet.roomy[is_long] style=(columns(sheet.tiles.len(), wanted)) { @for figure in figures { (figure) } }
    })
}

fn figure(tile: &Tile, classes: &[String]) -> Result<Markup> {
    // A share stays beside the last word of its name.
    let words: Vec<String> = words(&tile.shares, classes)
        .into_iter()
        .map(|word| {
            word.rsplit_once(' ')
                .filter(|(_, share)| share.starts_with('.'))
                .map_or(word.clone(), |(name, share)| format!("{name}\u{a0}{share}"))
        })
        .collect();
    let text = words.join(", ");
    let bar = |class: usize, share: f64| {
        let [r, g, b] = palette::class(class);
        format!("flex:{share:.3};background:rgb({r},{g},{b})")
    };
    let present = present(&tile.shares);
    Ok(html! {
        figure {
            (picture(&tile.image, &text)?)
            @if !present.is_empty() {
                div.shares {
                    @for &(class, share) in &present {
                        i style=(bar(class, share)) title={ (classes[class]) " " (format!("{share:.3}")) } {}
                    }
                }
            }
            figcaption { @if !tile.note.is_empty() { small { (id(&tile.note, classes)) } " " } (text) }
        }
    })
}

/// An id that may break after its slashes and dashes; without the folder of a class, which is named beside it.
fn id<'a>(id: &str, classes: impl IntoIterator<Item = &'a String>) -> Markup {
    let below = |class: &'a String| id.strip_prefix(class.as_str())?.strip_prefix('/');
    let id = classes.into_iter().find_map(below).unwrap_or(id);
    html! { @for part in id.split_inclusive(['/', '_', '-', '.']) { (part) wbr; } }
}

fn picture(image: &Image, alt: &str) -> Result<Markup> {
    let largest = image.width.max(image.height);
    let small = if largest > SIDE { thumbnail(image, SIDE)? } else { image.clone() };
    let data = base64(&png(&small)?);
    Ok(html! {
        img.sharp[largest < 80] width=(small.width) height=(small.height) alt=(alt) src={ "data:image/png;base64," (data) };
    })
}

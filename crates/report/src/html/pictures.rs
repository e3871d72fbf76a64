//! Thumbnails: what was predicted wrong or hardly decided, with the maps of where the network looked, and a batch as it saw it.

use super::shell::{columns, note};
use crate::markup::base64;
use crate::sheet::{png, present, thumbnail, words};
use crate::table::share;
use crate::{Result, Sheet, Tile, palette};
use maud::{Markup, html};
use tallow_data::Image;

/// What was predicted wrong, and what was hardly decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mistakes {
    /// Of the data: `validation`; empty where it is all of them.
    pub part: String,
    pub wrong: u64,
    /// Of so many.
    pub images: u64,
    /// The most confident first.
    pub worst: Vec<Mistake>,
    /// Those between whose first and second class the network had the least to choose, the closest first.
    pub doubts: Vec<Doubt>,
    /// What the maps beside images are, or why there are none: a sentence, or empty.
    pub maps: String,
}

/// An image that was taken for one of another class.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub image: Image,
    /// Where the network looked, laid over the image as it saw it.
    pub map: Option<Image>,
    pub id: String,
    pub truth: String,
    pub predicted: String,
    /// Of the class that was predicted, and of the true one.
    pub probability: f64,
    pub of_truth: f64,
}

/// An image that might as well have been called another class, rightly called or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    pub image: Image,
    pub map: Option<Image>,
    pub id: String,
    pub truth: String,
    /// The two most probable classes, and their probabilities.
    pub first: (String, f64),
    pub second: (String, f64),
}

/// The largest side of a thumbnail.
const SIDE: u32 = 160;
/// A name longer than this wants a wider place.
const LONG: usize = 16;

impl Mistakes {
    pub(super) fn html(&self) -> Result<Markup> {
        let Mistakes { part, wrong, images, worst, doubts, maps } = self;
        let images = format!("{images} {part}{}images", if part.is_empty() { "" } else { " " });
        let shown = match (*wrong, worst.len() as u64) {
            (0, _) => format!("None of {images} was predicted wrong."),
            (wrong, all) if wrong == all => format!(
                "{wrong} of {images} {}, the most confident first.",
                if wrong == 1 { "was predicted wrong" } else { "were predicted wrong" }
            ),
            (wrong, _) => format!(
                "{wrong} of {images} were predicted wrong; shown are those that the network was surest of."
            ),
        };
        let has_maps =
            worst.iter().map(|one| &one.map).chain(doubts.iter().map(|one| &one.map)).any(Option::is_some);
        let wanted = if has_maps { [4, 3, 2, 1] } else { [6, 4, 3, 2] };
        let sheet = |figures: Vec<Markup>| {
            html! {
                div.sheet.roomy.mapped[has_maps] style=(columns(figures.len(), wanted)) { @for figure in figures { (figure) } }
            }
        };
        let worst = worst.iter().map(Mistake::html).collect::<Result<Vec<_>>>()?;
        let doubts = doubts.iter().map(Doubt::html).collect::<Result<Vec<_>>>()?;
        Ok(html! {
            (note(&shown))
            (note(maps))
            (sheet(worst))
            @if !doubts.is_empty() {
                h3 { "Least certain" }
                (note("The smallest difference between the probabilities of the first and the second class."))
                (sheet(doubts))
            }
        })
    }
}

impl Mistake {
    fn html(&self) -> Result<Markup> {
        let alt = format!("{} taken for {}", self.truth, self.predicted);
        Ok(html! {
            figure {
                (beside(&self.image, &alt, self.map.as_ref(), &self.predicted)?)
                figcaption {
                    small { (id(&self.id, [&self.truth])) }
                    p { span.kind { "predicted" } b { (self.predicted) "\u{a0}" (share(self.probability)) } }
                    p { span.kind { "truth" } (self.truth) "\u{a0}" (share(self.of_truth)) }
                }
            }
        })
    }
}

impl Doubt {
    fn html(&self) -> Result<Markup> {
        let Doubt { image, map, truth, first, second, .. } = self;
        let alt = format!("{} or {}", first.0, second.0);
        Ok(html! {
            figure {
                (beside(image, &alt, map.as_ref(), &first.0)?)
                figcaption {
                    small { (id(&self.id, [truth])) }
                    p { b { (first.0) "\u{a0}" (share(first.1)) } " or " (second.0) "\u{a0}" (share(second.1)) }
                    p { span.kind { "truth" } (truth) }
                }
            }
        })
    }
}

/// An image, and where there is one the map of a class on its right.
fn beside(image: &Image, alt: &str, map: Option<&Image>, class: &str) -> Result<Markup> {
    let Some(map) = map else { return picture(image, alt) };
    let of_map = format!("what speaks for {class}");
    Ok(html! { div.beside { (picture(image, alt)?) (picture(map, &of_map)?) } })
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

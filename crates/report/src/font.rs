//! The letters of contact sheets: Inter, Latin and Greek, carried in the program. What it lacks is its box.

use ab_glyph::{Font, FontRef, ScaleFont};
use std::sync::LazyLock;

static INTER: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("font/inter.otf")).expect("the font of the program is read")
});

/// A size of letters, in pixels per em.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letters(pub u32);

impl Letters {
    /// From one line to the next.
    pub fn line(self) -> u32 {
        (f64::from(self.0) * 1.35).round() as u32
    }

    /// Of a text on one line, in pixels.
    pub fn width(self, text: &str) -> u32 {
        let font = self.scaled();
        text.chars().map(|character| font.h_advance(font.glyph_id(character))).sum::<f32>().ceil() as u32
    }

    /// Calls `each` with a pixel, from the left and from the top of the line, and how much of it is ink: 0 to 1.
    pub fn draw(self, text: &str, mut each: impl FnMut(i32, i32, f32)) {
        let font = self.scaled();
        let above = (self.line() as f32 - font.height()) / 2. + font.ascent();
        let mut pen = 0.;
        for character in text.chars() {
            let id = font.glyph_id(character);
            let glyph = id.with_scale_and_position(font.scale(), ab_glyph::point(pen, above.round()));
            pen += font.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, ink| {
                // In steps that the last digit of a sum does not reach: every machine draws the same picture.
                let ink = (ink.clamp(0., 1.) * 32.).round() / 32.;
                each(corner.x as i32 + x as i32, corner.y as i32 + y as i32, ink);
            });
        }
    }

    /// At most `width` pixels, the last character an … where some are missing.
    pub fn begin(self, text: &str, width: u32) -> String {
        if self.width(text) <= width {
            return text.into();
        }
        let letters: Vec<char> = text.chars().collect();
        let kept = |count: &usize| letters[..*count].iter().collect::<String>().trim_end().to_owned() + "…";
        (0..letters.len())
            .rev()
            .map(|count| kept(&count))
            .find(|kept| self.width(kept) <= width)
            .unwrap_or_default()
    }

    /// At most `width` pixels, the first character an … where some are missing: ids and paths differ at their ends.
    pub fn end(self, text: &str, width: u32) -> String {
        if self.width(text) <= width {
            return text.into();
        }
        let letters: Vec<char> = text.chars().collect();
        let kept = |from: usize| format!("…{}", letters[from..].iter().collect::<String>().trim_start());
        (1..=letters.len()).map(kept).find(|kept| self.width(kept) <= width).unwrap_or_default()
    }

    /// Words into lines of at most `width` pixels. A word that is too long is cut.
    pub fn wrap<T: AsRef<str>>(self, words: impl IntoIterator<Item = T>, width: u32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in words {
            let word = word.as_ref();
            if word.is_empty() {
                continue;
            }
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line} {word}");
                if self.width(&longer) <= width {
                    *line = longer;
                    continue;
                }
            }
            lines.push(self.begin(word, width));
        }
        lines
    }

    fn scaled(self) -> ab_glyph::PxScaleFont<&'static FontRef<'static>> {
        // A scale is the height from the lowest to the highest letter, not an em.
        let font: &'static FontRef = &INTER;
        let em = font.units_per_em().expect("the font has an em");
        font.as_scaled(self.0 as f32 * font.height_unscaled() / em)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(character: char) -> Vec<(i32, i32, u32)> {
        let mut ink = Vec::new();
        Letters(14).draw(&character.to_string(), |x, y, share| {
            if share > 0. {
                ink.push((x, y, (share * 32.) as u32));
            }
        });
        ink
    }

    #[test]
    fn letters_stand_within_their_line() {
        let rows = |text: &str| {
            let (mut low, mut high) = (i32::MAX, i32::MIN);
            Letters(14).draw(text, |_, y, ink| {
                if ink > 0. {
                    (low, high) = (low.min(y), high.max(y));
                }
            });
            (low, high)
        };
        let (top, bottom) = rows("ÄÅhpgjqζ");
        assert!(top >= 0 && bottom < Letters(14).line() as i32, "{top} {bottom}");
        // Capitals of Inter are 0.727 em: 10.2 pixels.
        let (top, bottom) = rows("H");
        assert!((10..=11).contains(&(bottom - top + 1)), "{top} {bottom}");
    }

    #[test]
    fn characters_have_pictures_of_their_own_and_what_is_missing_has_a_box() {
        let known: Vec<char> = (' '..='~').chain("äöüßéñçøÅαβγδζλμσχω…·×–→≤²".chars()).collect();
        let drawn: std::collections::HashSet<_> = known.iter().map(|c| picture(*c)).collect();
        assert_eq!(drawn.len(), known.len());
        let missing = picture('漢');
        assert!(!missing.is_empty() && missing == picture('ж') && !drawn.contains(&missing));
        assert!(Letters(14).width("漢字") > 14);
    }

    #[test]
    fn long_texts_are_cut_to_a_width() {
        let letters = Letters(14);
        let (begin, end) = (letters.begin("images/ISIC_0024306", 80), letters.end("images/ISIC_0024306", 80));
        assert!(
            begin.starts_with("images/") && begin.ends_with('…') && letters.width(&begin) <= 80,
            "{begin}"
        );
        assert!(end.starts_with('…') && end.ends_with("0024306") && letters.width(&end) <= 80, "{end}");
        assert_eq!((letters.begin("NV", 80), letters.end("NV", 80)), ("NV".into(), "NV".into()));
        assert_eq!((letters.begin("NV", 0), letters.end("NV", 0)), (String::new(), String::new()));
    }

    #[test]
    fn words_are_wrapped() {
        let letters = Letters(14);
        let width = letters.width("NV .71 MEL .29");
        assert_eq!(letters.wrap(["NV .71", "MEL .29", "DF .01"], width), ["NV .71 MEL .29", "DF .01"]);
        let lines = letters.wrap(["a", "", "branchaugmented"], letters.width("branch…"));
        assert_eq!(lines, ["a", "branch…"]);
        assert_eq!(letters.wrap::<&str>([], 5), [""; 0]);
    }
}

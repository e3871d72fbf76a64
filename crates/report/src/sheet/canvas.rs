//! The picture that a sheet is drawn on.

use super::present;
use crate::font::Letters;
use crate::palette;
use tallow_data::Image;

pub(super) const PAPER: [u8; 3] = [255; 3];

pub(super) struct Canvas(pub Image);

impl Canvas {
    pub fn new(width: u32, height: u32) -> Canvas {
        Canvas(Image { width, height, pixels: PAPER.repeat(width as usize * height as usize) })
    }

    pub fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        for y in y..(y + height).min(self.0.height) {
            for x in x..(x + width).min(self.0.width) {
                let at = self.place(x, y);
                self.0.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// A line whose top left corner is there.
    pub fn text(&mut self, x: u32, y: u32, letters: Letters, colour: [u8; 3], text: &str) {
        letters.draw(text, |dx, dy, ink| {
            let (x, y) = (x as i32 + dx, y as i32 + dy);
            if (0..self.0.width as i32).contains(&x) && (0..self.0.height as i32).contains(&y) {
                let at = self.place(x as u32, y as u32);
                for (pixel, colour) in self.0.pixels[at..at + 3].iter_mut().zip(colour) {
                    *pixel = (f32::from(*pixel) * (1. - ink) + f32::from(colour) * ink).round() as u8;
                }
            }
        });
    }

    /// One stretch per class, in the order of the caption, as long as its share.
    pub fn bar(&mut self, x: u32, y: u32, width: u32, height: u32, shares: &[f64]) {
        let mut sum = 0.;
        for (class, share) in present(shares) {
            let (from, to) = (sum * f64::from(width), (sum + share).min(1.) * f64::from(width));
            let wide = (to.round() - from.round()) as u32;
            self.fill(x + from.round() as u32, y, wide, height, palette::class(class));
            sum += share;
        }
    }

    pub fn paste(&mut self, x: u32, y: u32, image: &Image) {
        let row = image.width as usize * 3;
        for (dy, source) in (0..).zip(image.pixels.chunks_exact(row)) {
            let at = self.place(x, y + dy);
            self.0.pixels[at..at + row].copy_from_slice(source);
        }
    }

    fn place(&self, x: u32, y: u32) -> usize {
        (y as usize * self.0.width as usize + x as usize) * 3
    }
}

use super::*;
use crate::palette;

fn classes() -> Vec<String> {
    ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF"].map(String::from).to_vec()
}

fn grey(width: u32, height: u32, value: u8) -> Image {
    Image { width, height, pixels: vec![value; (width * height * 3) as usize] }
}

fn sheet(tiles: usize) -> Sheet {
    let tile = |at| Tile {
        image: grey(32, 24, at as u8),
        note: format!("row {at}"),
        shares: vec![0.29, 0.71, 0., 0., 0., 0.],
        sources: Vec::new(),
    };
    Sheet {
        title: "mixup".into(),
        classes: classes(),
        tiles: (0..tiles).map(tile).collect(),
        ..Sheet::default()
    }
}

#[test]
fn captions() {
    let of = |shares: &[f64]| caption(shares, &classes());
    assert_eq!(of(&[0.29, 0.71, 0., 0., 0., 0.]), "NV .71 MEL .29");
    assert_eq!(of(&[0., 1., 0., 0., 0., 0.]), "NV");
    assert_eq!(of(&[0.004, 0.996, 0., 0., 0., 0.]), "NV");
    assert_eq!(of(&[0.5, 0.5, 0., 0., 0., 0.]), "MEL .50 NV .50"); // ties by index
    assert_eq!(of(&[0.4, 0.2, 0.15, 0.1, 0.09, 0.06]), "MEL .40 NV .20 BCC .15 AKIEC .10 +2");
    assert_eq!(of(&[]), "");
}

#[test]
fn png_has_the_expected_size() {
    // 32 px: factor 4, side 128. 5 tiles: ceil(sqrt 8) = 3 columns, 2 rows. Width 12 + 3 · 140 = 432.
    // Head 12 + 22 + 6 = 40. Caption `row 0`, `NV .71 MEL .29`: 2 lines of 19.
    // Pitch 128 + 5 + 4 + 38 + 12 = 187; height 40 + 2 · 187 = 414.
    let png = sheet(5).png().unwrap();
    let decoded = image::load_from_memory(&png).unwrap();
    assert_eq!((decoded.width(), decoded.height(), decoded.color()), (432, 414, image::ColorType::Rgb8));
    let pixels = decoded.to_rgb8();
    // The picture of tile 4 (column 1, row 1) is 128 × 96 and stands on the bar.
    assert_eq!(pixels.get_pixel(12 + 140, 40 + 187 + 32).0, [4; 3]);
    assert_eq!(pixels.get_pixel(12 + 140, 40 + 187 + 31).0, canvas::PAPER);
    assert_eq!(pixels.get_pixel(12 + 140 + 127, 40 + 187 + 127).0, [4; 3]);
    // Its bar: 71 % NV, then MEL.
    let bar = |x: u32| pixels.get_pixel(12 + 140 + x, 40 + 187 + 128 + 3).0;
    assert_eq!([bar(0), bar(90), bar(91), bar(127)], [1, 1, 0, 0].map(palette::class)); // .71 · 128 = 90.9
}

#[test]
fn empty_sheets_and_odd_sizes() {
    assert!(Sheet::default().png().unwrap().starts_with(b"\x89PNG"));
    let mut odd = sheet(1);
    odd.tiles[0].image = grey(1000, 10, 7);
    assert_eq!(odd.render().unwrap().width, 12 + 224 + 12);
    odd.tiles[0].image.pixels.pop();
    assert!(odd.png().unwrap_err().to_string().contains("got 1000×10 pixels, 29999 bytes"));
    odd.tiles[0] = Tile { image: grey(2, 2, 0), note: String::new(), shares: vec![1.], sources: Vec::new() };
    assert!(odd.png().unwrap_err().to_string().contains("expected one for each of 6 classes, got 1"));
}

/// 1 tile of side 128: places of (128 − 12) / 4 = 29 pixels, 33 apart, above a stroke of 2 in the colour of the class.
#[test]
fn sources_stand_below_their_mixture() {
    let mut one = sheet(1);
    let plain = one.render().unwrap();
    let source = |class: usize, share: f64| Source { image: grey(29, 29, 10 * class as u8), class, share };
    one.tiles[0].sources = vec![source(1, 0.2), source(2, 0.7), source(3, 0.004), source(4, 0.096)];
    let shown = one.render().unwrap();
    assert_eq!(shown.height, plain.height + 29 + 2 + 2 + 15); // letters of 11 have lines of 15
    let at = |x: u32, y: u32| {
        let at = ((y * shown.width + x) * 3) as usize;
        [shown.pixels[at], shown.pixels[at + 1], shown.pixels[at + 2]]
    };
    // The title wraps to the same lines; the strip begins where the plain sheet ends, but for its last gap.
    let top = plain.height - GAP + 2;
    let greys: Vec<[u8; 3]> = (0..4).map(|place| at(12 + 33 * place + 3, top + 3)).collect();
    assert_eq!(greys, [[20; 3], [10; 3], [40; 3], canvas::PAPER], "the largest first, .004 is not seen");
    let strokes: Vec<[u8; 3]> = (0..3).map(|place| at(12 + 33 * place, top + 29)).collect();
    assert_eq!(strokes, [2, 1, 4].map(palette::class));
    // Five of them: three, and a count in the fourth place.
    one.tiles[0].sources = (0..5).map(|class| source(class, 0.2)).collect();
    let five = one.render().unwrap();
    let ink = |x: std::ops::Range<u32>| {
        let pixels = x.flat_map(|x| (top..top + 29).map(move |y| (x, y)));
        pixels.filter(|(x, y)| five.pixels[((y * five.width + x) * 3) as usize] < 200).count()
    };
    assert_eq!(ink(12..12 + 29), 29 * 29);
    assert!((5..60).contains(&ink(12 + 99..12 + 99 + 29)), "{}", ink(12 + 99..12 + 99 + 29));
}

/// Cells of (152 − 24 − 8) / 2 = 60, at most 14; a share of .25 is half as dark as one of 1.
#[test]
fn shares_as_a_map() {
    let mut one = sheet(1);
    let plain = one.render().unwrap();
    let shares = vec![vec![1.0, 0.0], vec![0.25, 0.75], vec![0.0, 1.0]];
    one.matrix = Some(Matrix { title: "Shares".into(), shares, lines: vec![0, 1, 1], columns: vec![0, 1] });
    let shown = one.render().unwrap();
    assert_eq!(shown.height, plain.height + 16 + 6 + 8 + 3 * 14 + 12);
    let red = |x: u32, y: u32| shown.pixels[((y * shown.width + x) * 3) as usize];
    let (left, top) = (12 + 8, plain.height + 16 + 6 + 8);
    let cell = |line: u32, column: u32| red(left + 14 * column + 7, top + 14 * line + 7);
    // between 0xee and 28
    assert_eq!([cell(0, 0), cell(0, 1), cell(1, 0), cell(2, 1)], [28, 0xee, 133, 28]);
    assert_eq!([red(left, top - 8), red(left + 14, top - 8)], [palette::class(0)[0], palette::class(1)[0]]);
}

#[test]
fn small_pictures_stay_sharp_and_large_ones_are_averaged() {
    let image = Image { width: 2, height: 1, pixels: vec![0, 0, 0, 255, 255, 255] };
    let large = thumbnail(&image, 7).unwrap(); // factor 3
    assert_eq!((large.width, large.height), (6, 3));
    assert_eq!(large.pixels[..18], [[0; 9], [255; 9]].concat());
    let checker: Vec<u8> =
        (0..64 * 64).flat_map(|at| [if (at % 64 + at / 64) % 2 == 0 { 0 } else { 255 }; 3]).collect();
    let small = thumbnail(&Image { width: 64, height: 64, pixels: checker }, 16).unwrap();
    let centre = small.pixels[(8 * 16 + 8) * 3];
    assert!((120..=135).contains(&centre), "{centre}");
}

fn long_names() -> Vec<String> {
    let of = ["acral", "nodular", "superficial", "amelanotic", "spitzoid", "common"];
    of.map(|kind| format!("Melanocytic nevus of the {kind} skin, histologically confirmed")).to_vec()
}

/// Names give way to shares, ids keep their ends, and what is not named is counted.
#[test]
fn captions_of_a_tile_keep_what_tells_apart() {
    let lines = |note: &str, classes: &[String], shares: &[f64]| {
        let tile =
            Tile { image: grey(8, 8, 0), note: note.into(), shares: shares.to_vec(), sources: Vec::new() };
        Sheet { classes: classes.to_vec(), ..Sheet::default() }.lines(&tile, letters(128), 90)
    };
    let short = ["A", "B", "C", "D", "E", "F"].map(String::from);
    let halves = [0.5, 0.5, 0., 0., 0., 0.];
    let said = lines("images/ISIC_0024306", &short, &halves);
    assert!(said[0].starts_with('…') && said[0].ends_with("0024306"), "{said:?}");
    assert_eq!(said[1..], ["A .50 B .50"]);
    let all = [0.4, 0.2, 0.15, 0.1, 0.09, 0.06];
    assert_eq!(lines("", &short, &all).join(" "), "A .40 B .20 C .15 D .10 +2");
    // Beginnings are all the same: the ends are shown.
    let said = lines("", &long_names(), &all);
    assert_eq!((said.len(), said.last().unwrap().as_str()), (5, "+2"), "{said:?}");
    assert!(said[0].starts_with('…') && said[0].ends_with("firmed .40"), "{said:?}");
    assert!(said.iter().all(|line| letters(128).width(line) <= 90), "{said:?}");
}

/// A name that no caption has room for stands below the tiles, once, beside its colour.
#[test]
fn names_that_were_cut_are_in_the_legend() {
    let mut one = sheet(2);
    let plain = one.render().unwrap();
    one.classes = long_names();
    let shown = one.render().unwrap();
    let legend = one.legend(letters(128), 128, shown.width);
    let whole: Vec<String> = legend.names.iter().map(|(_, lines)| lines.join(" ")).collect();
    assert_eq!(whole, long_names()[..2], "two of six classes are shown");
    let lines: usize = legend.names.iter().map(|(_, lines)| lines.len()).sum();
    // The captions have a line for each class now.
    assert_eq!(shown.height, plain.height + 19 + lines as u32 * 19 + GAP);
    let square = (shown.height - legend.height() + 9) * shown.width + GAP + 5;
    let colour = &shown.pixels[square as usize * 3..][..3];
    assert_eq!(colour, palette::class(0));
}

#[test]
fn a_class_in_another_script_is_seen() {
    let mut one = sheet(1);
    one.tiles[0].shares = vec![1., 0., 0., 0., 0., 0.];
    one.tiles[0].note.clear();
    let ink = |sheet: &Sheet| sheet.render().unwrap().pixels.iter().filter(|byte| **byte < 100).count();
    one.classes[0] = " ".into();
    let nothing = ink(&one);
    one.classes[0] = "黒色腫".into();
    assert!(ink(&one) > nothing + 60, "{} {nothing}", ink(&one));
}

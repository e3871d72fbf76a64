//! `predict --explain`, and the maps of the report.

use super::{picture, trained};
use crate::program::Desk;
use image::RgbImage;

fn pictures(desk: &Desk) {
    for (name, side, shift) in [("a", 20, 10), ("b", 33, 90), ("below/a", 16, 200)] {
        let name = format!("explained/{name}.png");
        desk.write(&name, []);
        picture(side, shift).save(desk.path(&name)).unwrap();
    }
}

#[test]
fn a_picture_of_each_image_shows_where_the_network_looked() {
    let (desk, _) = trained();
    pictures(desk);
    let explain = |folder: &str, more: &[&str]| {
        let said = desk.tallow(&[&["predict", "run", "explained", "--explain", folder], more].concat()).ok();
        let read = |name: &str| image::open(desk.path(folder).join(name)).unwrap().to_rgb8();
        (said.out, desk.names(folder), read("b.png.png"))
    };
    let plain = desk.tallow(&["predict", "run", "explained"]).ok().out;
    let (csv, names, default) = explain("maps", &[]);
    assert_eq!(csv, plain);
    assert_eq!(names, ["b.png.png", "below_a.png.png", "explained_a.png.png"]);
    // Two squares of 16 by 16 pixels, each enlarged 24 times.
    assert_eq!(default.width(), 3 * 12 + 2 * 384);
    // The last maps of this network are 4 by 4, at stage3.
    assert_eq!(explain("at3", &["--tap", "stage3", "--method", "gradcam"]).2, default);
    let predicted = csv.lines().nth(2).unwrap().split(',').nth(1).unwrap().to_owned();
    assert_eq!(explain("same", &["--class", &predicted]).2, default);
    let other = if predicted == "NV" { "MEL" } else { "NV" };
    let others = [
        explain("class", &["--class", other]).2,
        explain("at1", &["--tap", "stage1"]).2,
        explain("plus", &["--method", "gradcam++"]).2,
    ];
    // The image on the left is the same, the map on the right is not.
    let half = |image: &RgbImage, right: bool| -> Vec<u8> {
        let (from, below) = (12 + u32::from(right) * 396, image.height() - 410);
        let square = image::imageops::crop_imm(image, from, below, 384, 360).to_image();
        square.into_raw()
    };
    for picture in &others {
        assert_eq!(half(picture, false), half(&default, false));
        assert_ne!(half(picture, true), half(&default, true));
    }
    assert_ne!(half(&default, true), half(&default, false));
}

#[test]
fn rows_of_values_have_maps_too() {
    let (desk, _) = trained();
    let values: Vec<f32> = (0..19 * 3 * 16 * 16).map(|i| (i % 13) as f32 / 6.0 - 1.0).collect();
    let values = candle_core::Tensor::from_vec(values, (19, 3, 16, 16), &candle_core::Device::Cpu).unwrap();
    values.write_npy(desk.path("rows.npy")).unwrap();
    desk.tallow(&["predict", "run", "rows.npy", "--explain", "rows"]).ok();
    let names = desk.names("rows");
    assert_eq!((names.len(), names.contains(&"row18.png".to_owned())), (19, true));
}

#[test]
fn maps_that_cannot_be_are_refused_before_anything_is_said() {
    let (desk, _) = trained();
    pictures(desk);
    desk.write("taken", "a file");
    let refused = |words: &[&str], expected: &[&str]| {
        let said = desk.tallow(&[&["predict", "run", "explained"], words].concat());
        said.complains(2, expected);
        assert_eq!(said.out, "");
    };
    let taps = "expected one of input, stem, stage1, stage2, stage3";
    refused(&["--explain", "m", "--tap", "penultimate"], &["--tap penultimate: has no places", taps]);
    refused(&["--explain", "m", "--tap", "stage9"], &["--tap stage9: there is no such tap", taps]);
    refused(&["--explain", "m", "--class", "nevus"], &["--class nevus", "expected one of", "NV"]);
    refused(&["--explain", "taken"], &["--explain taken: cannot be written"]);
    refused(&["--explain", "m", "--method", "cam"], &["gradcam, gradcam++, hirescam"]);
    assert_eq!(desk.tallow(&["predict", "run", "explained", "--tap", "stage3"]).code, 2);
    assert!(!desk.path("m").exists());
}

#[test]
fn the_report_shows_maps_where_it_can() {
    let (desk, _) = trained();
    let report = desk.read("run/report.html");
    assert!(report.contains("<h3>Least certain</h3>") && report.contains("Grad-CAM at stage3"));
    // Six hardly decided images, and the wrong ones, at most twelve.
    let maps = report.matches("alt=\"what speaks for ").count();
    let shown = report.matches(" taken for ").count();
    assert!(maps >= 6 && shown > 0, "{maps} maps, {shown}");
    // Without the weights that the predictions are of.
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "--out", "run"]).ok();
    assert!(desk.read("run/report.html").contains("Grad-CAM at"));
    std::fs::remove_dir_all(desk.path("run/best")).unwrap();
    desk.train(&["tiny.yaml", "--out", "run", "--resume"]).ok();
    let report = desk.read("run/report.html");
    assert!(
        report.contains("Without maps of where the network looked: ") && report.contains("best: is missing")
    );
    assert!(report.contains("<h3>Least certain</h3>") && !report.contains("what speaks for"));
}

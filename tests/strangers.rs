//! Files of strangers: headers that lie, links, and what is no file.

use crate::program::Desk;
use crate::refusals::{FOLDER, SQUARE, pictures};
use std::fs;

/// A JPEG that says 65535 by 65535 pixels in its frame header, behind the marker, the length and the precision.
fn forged(desk: &Desk, name: &str) {
    let mut bytes = fs::read(desk.path(name)).unwrap();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    desk.write(name, bytes);
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused_by_its_header() {
    let desk = Desk::new();
    pictures(&desk, "images", 6);
    forged(&desk, "images/b/b2.jpg");
    let said =
        ["b2.jpg: 65535×65535 pixels by its header – expected at most 200000000 pixels", "data.max_pixels="];
    desk.train(&["tiny.yaml", FOLDER, SQUARE]).complains(3, &[said[0], said[1], "broken: skip"]);
    let once = ["length=1 epochs", "--out", "run"];
    let skipped = desk.train(&[&["tiny.yaml", FOLDER, SQUARE, "data.broken=skip"], &once[..]].concat()).ok();
    assert!(skipped.err.contains(said[0]), "{}", skipped.err);
    desk.tallow(&["predict", "run", "images/b/b2.jpg", "images/b/b1.jpg"]).complains(3, &said);
    // The limit is the recipe's: the others are of 20 by 20 pixels.
    let limited = ["tiny.yaml", FOLDER, SQUARE, "data.max_pixels=399", "data.broken=skip"];
    desk.train(&limited).complains(3, &["expected images in both parts, got train 0, validation 0"]);
    desk.train(&["tiny.yaml", FOLDER, SQUARE, "data.max_pixels=2000000000", "--dry-run"])
        .complains(2, &["data.max_pixels: expected a whole number from 1 to 1000000000"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_by_one_rule_and_a_fifo_is_never_opened() {
    use std::os::unix::fs::symlink;
    let desk = Desk::new();
    pictures(&desk, "images", 6);
    symlink("..", desk.path("images/a/up")).unwrap();
    let said = "images/a/up: a link to a folder – expected folders, and links to files alone";
    desk.train(&["tiny.yaml", FOLDER, SQUARE]).complains(3, &[said, "data.follow_links=true"]);
    desk.train(&["tiny.yaml", FOLDER, SQUARE, "data.follow_links=true"])
        .complains(3, &["`a/up/b/b0.jpg` and `b/b0.jpg` are one file, by a link, under two labels"]);
    desk.tallow(&["new", "images"]).complains(3, &[said]);
    fs::remove_file(desk.path("images/a/up")).unwrap();
    symlink("a0.jpg", desk.path("images/a/again.jpg")).unwrap();
    let run = ["tiny.yaml", FOLDER, SQUARE, "length=1 epochs", "--out", "run"];
    let noted = "images/: 1 link to images that are in the same class as well: counted once";
    let said = desk.train(&run).ok();
    assert!(said.err.contains(noted), "{}", said.err);
    // Asked about an image twice, by its name and by a link, it answers once.
    let said = desk.tallow(&["predict", "run", "images/a/a0.jpg", "images/a/again.jpg", "images/a"]).ok();
    assert_eq!(said.out.lines().count(), 1 + 6, "{}", said.out);
    let made = std::process::Command::new("mkfifo").arg(desk.path("images/a/pipe.jpg")).status();
    assert!(made.unwrap().success());
    let fifo = "images/a/pipe.jpg: is a FIFO – expected an ordinary file";
    desk.train(&["tiny.yaml", FOLDER, SQUARE]).complains(3, &[fifo]);
    desk.tallow(&["predict", "run", "images/a/pipe.jpg"]).complains(3, &[fifo]);
    let made = std::process::Command::new("mkfifo").arg(desk.path("values.npy")).status();
    assert!(made.unwrap().success());
    desk.tallow(&["predict", "run", "values.npy"]).complains(3, &["values.npy: is a FIFO"]);
}

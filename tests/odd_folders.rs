//! Folders as people have them: copies of images and of whole datasets, parts under other names, parts that share patients, files cut
//! short, classes of one image. `tallow new` says what it sees, and its recipe trains and does not leak.

use crate::own_images::{SMALL, SQUARE, picture};
use crate::program::{Desk, Said};

/// Classes a and b of eight pictures each, numbered from `first` on; `name` makes a file's name of a picture's number.
fn two_classes(desk: &Desk, folder: &str, first: u8, name: impl Fn(u8) -> String) {
    for number in 0..16 {
        let class = if number < 8 { "a" } else { "b" };
        picture(desk, &format!("{folder}/{class}/{}.png", name(number)), first + number);
    }
}

fn plain(number: u8) -> String {
    format!("x{number}")
}

/// Of a recipe that `new` wrote, an epoch of a small network on small pictures.
fn train(desk: &Desk, recipe: &str) -> Said {
    let small = [SMALL, SQUARE[0], SQUARE[1], "length=1 epochs", "--overwrite", "--out", "run"];
    desk.train(&[&[recipe][..], &small].concat())
}

/// What `new` says of a folder, and the recipe that it writes.
fn new(desk: &Desk, folder: &str) -> (String, String) {
    let said = desk.tallow(&["new", folder]).ok();
    desk.write("new.yaml", &said.out);
    (said.err, said.out)
}

#[test]
fn images_in_two_parts_are_left_out_of_training() {
    let desk = Desk::empty();
    two_classes(&desk, "set/train", 0, plain);
    two_classes(&desk, "set/val", 20, plain);
    two_classes(&desk, "set/test", 40, plain);
    let clean = new(&desk, "set").1;
    assert!(!clean.contains("copies") && !clean.contains("allow_leak"), "{clean}");
    // The first picture of training is in the test part, the second in the validation part, and one of that in the test part too.
    picture(&desk, "set/test/a/again.png", 0);
    picture(&desk, "set/val/a/again.png", 1);
    picture(&desk, "set/test/b/again.png", 28);
    let (said, recipe) = new(&desk, "set");
    let leaves = "`copies: drop` leaves them out (2 of 16 train images, 1 of 17 validation images)";
    assert!(said.contains(leaves) && recipe.contains(leaves), "{said}");
    assert!(recipe.contains("\n  copies: drop\n") && !recipe.contains("allow_leak"), "{recipe}");
    let said = train(&desk, "new.yaml").ok().err;
    assert!(
        said.contains("left out by data.copies: 2 of 16 train images, 1 of 17 validation images"),
        "{said}"
    );
    assert!(said.contains("no two of 48 images in different parts or classes"), "{said}");
    assert_eq!(desk.read("run/predictions.csv").lines().count(), 1 + 16);
    // So says the check; without the key both stop.
    let said = desk.tallow(&["check", "--data", "new.yaml"]).ok().out;
    assert!(said.contains("left out by data.copies: ") && said.contains("new.yaml: ok"), "{said}");
    desk.write("new.yaml", recipe.replace("copies: drop", "copies: refuse"));
    let words = ["3 images are in two parts, the same to the byte: ", "data.copies=drop"];
    desk.tallow(&["check", "--data", "new.yaml"]).complains(3, &words);
    train(&desk, "new.yaml").complains(3, &words);
}

/// Copies that cannot be left out: the person decides, and the run stops until then.
#[test]
fn a_part_that_is_a_copy_of_another_is_not_emptied_unasked() {
    let desk = Desk::empty();
    two_classes(&desk, "set/train", 0, plain);
    two_classes(&desk, "set/val", 0, plain);
    let (said, recipe) = new(&desk, "set");
    assert!(said.contains("no train image of `a`, so a run stops (exit code 3) until you decide"), "{said}");
    assert!(recipe.contains("\n#  copies: drop\n") && !recipe.contains("allow_leak"), "{recipe}");
    train(&desk, "new.yaml").complains(3, &["16 images are in two parts"]);
}

#[test]
fn an_image_under_two_labels_is_left_out() {
    let desk = Desk::empty();
    two_classes(&desk, "set", 0, plain);
    picture(&desk, "set/b/again.png", 0);
    let (_, recipe) = new(&desk, "set");
    assert!(
        recipe.contains("1 image is under two labels") && recipe.contains("\n  copies: drop\n"),
        "{recipe}"
    );
    assert!(train(&desk, "new.yaml").ok().err.contains("(1 image is under two labels"));
    let ids = desk.read("run/predictions.csv");
    assert!(!ids.contains("again") && !ids.contains("a/x0.png"), "{ids}");
}

#[test]
fn of_an_original_and_its_augmented_copy_one_is_trained_on() {
    let desk = Desk::empty();
    two_classes(&desk, "set/original", 0, plain);
    two_classes(&desk, "set/augmented data", 20, plain);
    let (said, recipe) = new(&desk, "set");
    let told = "`augmented data`, `original` each hold the folders a, b, as copies of one dataset do: `original` alone is read";
    assert!(said.contains(told) && recipe.contains(told), "{said}");
    assert!(recipe.contains("root: set/original\n"), "{recipe}");
    train(&desk, "new.yaml").ok();
    std::fs::rename(desk.path("set/original"), desk.path("set/one")).unwrap();
    std::fs::rename(desk.path("set/augmented data"), desk.path("set/two")).unwrap();
    desk.tallow(&["new", "set"]).complains(3, &["no name tells", "name the folder to read, such as set/one"]);
}

#[test]
fn parts_under_other_names_are_parts() {
    let desk = Desk::empty();
    two_classes(&desk, "set/training_set", 0, plain);
    two_classes(&desk, "set/Test-Images", 20, plain);
    let (said, recipe) = new(&desk, "set");
    assert!(said.lines().any(|line| line.split_whitespace().eq(["class", "train", "test"])), "{said}");
    assert!(recipe.contains("root: set\n"), "{recipe}");
    train(&desk, "new.yaml").ok();
    let said = desk.tallow(&["eval", "run", "--split", "test"]).ok().out;
    assert!(said.contains("test part, 16 images"), "{said}");
}

#[test]
fn a_part_beside_class_folders_is_no_class() {
    let desk = Desk::new();
    two_classes(&desk, "set", 0, plain);
    two_classes(&desk, "set/val", 20, plain);
    let (said, recipe) = new(&desk, "set");
    assert!(said.contains("`val` has the name of a part and holds the classes that are beside it"), "{said}");
    assert!(recipe.contains("classes:\n  - a\n  - b\n"), "{recipe}");
    train(&desk, "new.yaml").ok();
    let run = |more: &str| {
        let data =
            format!("data={{ name: folder, root: set, batch: 4, split: {{ validation: 0.3 }}{more} }}");
        desk.train(&["tiny.yaml", &data, SMALL, SQUARE[0], SQUARE[1], "--dry-run"])
    };
    run("").complains(2, &["data.classes: set: `val` holds folders of classes", "`classes: [a, b]`"]);
    run(", classes: [a, b]").ok();
}

#[test]
fn patients_in_training_and_validation_are_divided_anew() {
    let desk = Desk::empty();
    let person = |first: u8| move |number: u8| format!("person{}_{number}", first + number / 2);
    two_classes(&desk, "set/train", 0, person(0));
    two_classes(&desk, "set/val", 20, person(4));
    let (said, recipe) = new(&desk, "set");
    let told = "names suggest 12 groups, such as `person0` of train/a/person0_0.png, and 4 of them, such as `person4`, are in training \
                and validation";
    assert!(said.contains(told) && recipe.contains(told), "{said}");
    assert!(recipe.contains("replace: true\n    group:\n      path: "), "{recipe}");
    let said = train(&desk, "new.yaml").ok().err;
    assert!(said.contains("no group is on two sides of the split (checked)"), "{said}");
    assert!(!desk.read("run/predictions.csv").contains("val/"));
}

#[test]
fn patients_in_the_test_part_are_told_and_left_to_decide() {
    let desk = Desk::empty();
    let person = |number: u8| format!("person{}_{number}", number / 2);
    two_classes(&desk, "set/train", 0, person);
    two_classes(&desk, "set/test", 20, person);
    let (said, recipe) = new(&desk, "set");
    for text in [&said, &recipe] {
        assert!(
            text.contains("8 of them, such as `person0`, are in several parts, 8 in the test part"),
            "{text}"
        );
    }
    let line = "#  split: { validation: 0.15, group: { path: '";
    assert!(recipe.contains(line), "{recipe}");
    train(&desk, "new.yaml").ok();
    // As the comment says.
    let given = recipe.replace("  split:\n    validation: 0.15\n", "").replace("#  split", "  split");
    desk.write("new.yaml", given);
    train(&desk, "new.yaml").complains(3, &["group `person0` is on 2 sides of the split", "8 groups in all"]);
}

#[test]
fn files_cut_short_are_counted_and_skipped() {
    let desk = Desk::empty();
    two_classes(&desk, "set", 0, plain);
    for name in ["set/a/x3.png", "set/b/x9.png"] {
        let bytes = std::fs::read(desk.path(name)).unwrap();
        desk.write(name, &bytes[..bytes.len() - 30]);
    }
    desk.write("set/b/x10.png", "<html>");
    let (said, recipe) = new(&desk, "set");
    assert!(said.contains("2 files end before their image does: a/x3.png, b/x9.png\n"), "{said}");
    assert!(said.contains("cannot be read: b/x10.png: expected a JPEG"), "{said}");
    assert!(
        recipe.contains("# broken: 3 of 16 files cannot be read, such as a/x3.png (2 end before"),
        "{recipe}"
    );
    assert!(recipe.contains("\n  broken: skip\n"), "{recipe}");
    let said = desk.tallow(&["check", "--data", "new.yaml"]).ok().out;
    assert!(said.contains("cannot be read:") && said.contains("new.yaml: ok"), "{said}");
    assert!(said.contains("  13 files looked at"), "{said}");
    train(&desk, "new.yaml").ok();
    desk.write("new.yaml", recipe.replace("broken: skip", "broken: refuse"));
    let words = ["images cannot be read:", "x3.png: truncated PNG", "x9.png", "x10.png", "broken: skip"];
    desk.tallow(&["check", "--data", "new.yaml"]).complains(3, &words);
}

#[test]
fn a_check_of_data_names_what_it_looked_at() {
    let desk = Desk::empty();
    two_classes(&desk, "set", 0, plain);
    new(&desk, "set");
    let said = desk.tallow(&["check", "--data", "new.yaml"]).ok().out;
    for words in [
        "16 files looked at: begun as images are, and not cut short (a training decodes them)",
        "no two of 16 images in different parts or classes are the same to the byte (checked)",
    ] {
        // Lines are broken as the terminal needs it.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words} in\n{said}");
    }
    // Both mistakes at once.
    picture(&desk, "set/b/again.png", 0);
    desk.write("set/a/x7.png", "");
    desk.tallow(&["check", "--data", "new.yaml"])
        .complains(3, &["x7.png: expected an image, got an empty file", "1 image is under two labels"]);
}

#[test]
fn a_class_of_one_image_may_be_left_out() {
    let desk = Desk::empty();
    two_classes(&desk, "set", 0, plain);
    picture(&desk, "set/rare one/0.png", 50);
    let (_, recipe) = new(&desk, "set");
    assert!(
        recipe.contains("too few images of `rare one` (in training 1): none of them validates"),
        "{recipe}"
    );
    assert!(recipe.contains("\n#  drop: [\"rare one\"]\n"), "{recipe}");
    // One image that counts as much as eight others would be all that is learned.
    assert!(
        recipe.contains("# in training the rarest class has 1 image, the commonest 8: too few to be weighed"),
        "{recipe}"
    );
    assert!(!recipe.contains("\nloss:"), "{recipe}");
    let said = train(&desk, "new.yaml").ok().err;
    assert!(said.contains("no validation image is of rare one"), "{said}");
    desk.write("new.yaml", recipe.replace("#  drop", "  drop"));
    train(&desk, "new.yaml").ok();
    assert_eq!(desk.read("run/predictions.csv").lines().next().unwrap(), "id,group,label,predicted,a,b");
}

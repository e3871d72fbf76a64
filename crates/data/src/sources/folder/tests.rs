use super::*;
#[cfg(unix)]
use crate::written::link;
use crate::written::{file, jpeg_file, options, picture, refused};

fn read(folder: &tempfile::TempDir, more: &str) -> Result<Parts> {
    SPEC.read(&options(&format!("{{ root: {}{more} }}", folder.path().display())))
}

fn ids(dataset: &dyn Dataset) -> Vec<&str> {
    (0..dataset.len()).map(|index| dataset.id(index)).collect()
}

#[test]
fn reads_class_folders_of_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    jpeg_file(root.join("naevus/a.JPG"));
    jpeg_file(root.join("naevus/deep/b.jpeg"));
    for name in ["c.png", "d.bmp", "e.TIF", "f.tiff", "g.webp"] {
        let path = root.join("melanoma").join(name);
        file(&path, "");
        picture(9, 5).save_with_format(&path, image::ImageFormat::from_path(&path).unwrap()).unwrap();
    }
    file(root.join("melanoma/Thumbs.db"), "");
    file(root.join(".cache/x.jpg"), "");
    let parts = read(&folder, "").unwrap();
    let train = parts.train.unwrap();
    assert_eq!(train.classes(), ["melanoma", "naevus"]);
    assert_eq!(
        ids(&*train),
        [
            "melanoma/c.png",
            "melanoma/d.bmp",
            "melanoma/e.TIF",
            "melanoma/f.tiff",
            "melanoma/g.webp",
            "naevus/a.JPG",
            "naevus/deep/b.jpeg"
        ]
    );
    assert_eq!((train.label(4), train.label(5)), (0, 1));
    assert_eq!(parts.notes.len(), 1);
    assert!(parts.notes[0].ends_with("left out, as not images: 1 file: melanoma/Thumbs.db"));
    assert!(parts.validation.is_none() && parts.test.is_none());
    assert_eq!(crate::broken(&*train, 2, &|_| {}), []);
    for index in 0..5 {
        assert_eq!(crate::size(&train.image(index).unwrap()).unwrap(), (9, 5));
    }
}

#[test]
fn reads_parts_with_classes_in_common() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["train/cat/1.jpg", "train/dog/1.jpg", "val/dog/1.jpg", "Test/ant/1.jpg"] {
        jpeg_file(folder.path().join(path));
    }
    let parts = read(&folder, "").unwrap();
    let (train, validation, test) = (parts.train.unwrap(), parts.validation.unwrap(), parts.test.unwrap());
    assert_eq!(train.classes(), ["ant", "cat", "dog"]);
    assert_eq!(validation.classes(), train.classes());
    assert_eq!(ids(&*validation), ["val/dog/1.jpg"]);
    assert_eq!((validation.label(0), test.label(0)), (2, 0));
    assert_eq!(parts.notes.len(), 1 + 2 + 2, "a note for each class that a part lacks: {:?}", parts.notes);
    crate::check_disjoint(&[("train", &*train), ("validation", &*validation), ("test", &*test)]).unwrap();

    std::fs::rename(folder.path().join("Test/ant"), folder.path().join("Test/cat")).unwrap();
    let parts = read(&folder, ", classes: [dog, cat]").unwrap();
    assert_eq!(parts.train.unwrap().classes(), ["dog", "cat"]);
}

#[test]
fn a_class_may_be_called_train() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["train/1.jpg", "car/1.jpg"] {
        jpeg_file(folder.path().join(path));
    }
    assert_eq!(read(&folder, "").unwrap().train.unwrap().classes(), ["car", "train"]);
}

#[test]
fn says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let message = |result: Result<Parts>| refused(&folder, result);
    assert_eq!(
        message(SPEC.read(&options("{}"))),
        "data.root: expected the folder that holds the class folders, got nothing – data.root=…"
    );
    assert_eq!(
        message(SPEC.read(&options("root: nowhere"))),
        "nowhere: no such folder; put one folder of images for each class there, or say where they are with data.root=…"
    );
    file(folder.path().join("cat/readme.txt"), "");
    let text = message(read(&folder, ""));
    assert!(text.starts_with("ROOT/: no images in the class folders cat; put images (jpg, "), "{text}");
    jpeg_file(folder.path().join("train/cat/1.jpg"));
    jpeg_file(folder.path().join("training/cat/1.jpg"));
    std::fs::remove_dir_all(folder.path().join("cat")).unwrap();
    assert_eq!(message(read(&folder, "")), "ROOT: expected one folder for train, got `train` and `training`");
}

#[test]
fn parts_have_names_of_many_forms_and_may_be_nested() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        "training_set/training_set/cat/1.jpg",
        "training_set/training_set/dog/1.jpg",
        "Test-Images/dog/1.jpg",
    ];
    paths.iter().for_each(|path| jpeg_file(folder.path().join(path)));
    file(folder.path().join("docs/readme.txt"), "");
    let parts = read(&folder, "").unwrap();
    assert_eq!(ids(&*parts.train.unwrap()), paths[..2]);
    assert_eq!(ids(&*parts.test.unwrap()), paths[2..]);
}

#[test]
fn a_test_part_without_labels_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg", "test/2.jpg"] {
        jpeg_file(folder.path().join(path));
    }
    let parts = read(&folder, "").unwrap();
    assert_eq!(parts.train.unwrap().classes(), ["cat", "dog"]);
    assert!(parts.test.is_none());
    assert!(parts.notes[0].ends_with("test: no class folders, so its images have no labels; left out"));
}

#[test]
fn a_part_or_a_copy_beside_class_folders_is_no_class_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["cat/1.jpg", "dog/1.jpg", "val/Cat/1.jpg"] {
        jpeg_file(folder.path().join(path));
    }
    let text = refused(&folder, read(&folder, ""));
    assert!(
        text.starts_with(
            "data.classes: ROOT: `val` holds folders of classes that are beside it (Cat), as a part"
        ),
        "{text}"
    );
    assert!(text.contains("`classes: [cat, dog]`"), "{text}");
    let told = |classes: &str| {
        read(&folder, &format!(", classes: {classes}")).unwrap().train.unwrap().classes().to_vec()
    };
    assert_eq!(told("[cat, dog]"), ["cat", "dog"]);
    assert_eq!(told("[cat, dog, val]"), ["cat", "dog", "val"]);
    std::fs::rename(folder.path().join("val"), folder.path().join("more")).unwrap();
    assert_eq!(read(&folder, "").unwrap().train.unwrap().classes().len(), 3, "one such folder tells nothing");
    jpeg_file(folder.path().join("more/dog/1.jpg"));
    assert!(refused(&folder, read(&folder, "")).contains("`more` holds folders of classes"));
}

/// `ROOT/a/x.jpg` and `ROOT/b/y.jpg`.
#[cfg(unix)]
fn two() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    ["a/x.jpg", "b/y.jpg"].iter().for_each(|name| jpeg_file(folder.path().join(name)));
    folder
}

#[cfg(unix)]
fn opened(folder: &tempfile::TempDir, more: &str) -> Result<Parts> {
    SPEC.read(&options(&format!("{{ root: {}{more} }}", folder.path().display())))
}

#[cfg(unix)]
fn trained(parts: &Parts) -> Vec<&str> {
    let train = parts.train.as_ref().unwrap();
    (0..train.len()).map(|index| train.id(index)).collect()
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_refused_by_name_unless_they_are_followed_each_folder_once() {
    for (to, at, followed) in [
        ("..", "a/up", Err("`a/up/b/y.jpg` and `b/y.jpg` are one file")),
        ("../b", "a/dup", Err("`a/dup/y.jpg` and `b/y.jpg` are one file")),
        (".", "a/self", Ok(["a/x.jpg", "b/y.jpg"])),
        ("x.d", "a/0", Ok(["a/x.jpg", "b/y.jpg"])),
    ] {
        let folder = two();
        std::fs::create_dir(folder.path().join("a/x.d")).unwrap();
        link(to, folder.path().join(at));
        let said = refused(&folder, opened(&folder, ""));
        let expected = format!("ROOT/{at}: a link to a folder – expected folders, and links to files alone");
        assert!(said.starts_with(&expected) && said.ends_with("data.follow_links=true"), "{said}");
        match (opened(&folder, ", follow_links: true"), followed) {
            (Ok(parts), Ok(expected)) => assert_eq!(trained(&parts), expected, "{at}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (found, _) => panic!("{at}: {:?}", found.map(|parts| trained(&parts).join(", "))),
        }
    }
    // A class folder may be one, where links are followed.
    let (folder, elsewhere) = (two(), tempfile::tempdir().unwrap());
    jpeg_file(elsewhere.path().join("z.jpg"));
    link(elsewhere.path(), folder.path().join("c"));
    assert!(refused(&folder, opened(&folder, "")).starts_with("ROOT/c: a link to a folder"));
    assert_eq!(trained(&opened(&folder, ", follow_links: true").unwrap()), ["a/x.jpg", "b/y.jpg", "c/z.jpg"]);
    // So may be a part's, or one around it.
    let folder = tempfile::tempdir().unwrap();
    for name in [".set/train/a/x.jpg", ".set/train/b/y.jpg"] {
        jpeg_file(folder.path().join(name));
    }
    link(".set", folder.path().join("train"));
    assert!(refused(&folder, opened(&folder, "")).starts_with("ROOT/train: a link to a folder"));
    assert_eq!(opened(&folder, ", follow_links: true").unwrap().train.unwrap().len(), 2);
    let folder = two();
    link(elsewhere.path(), folder.path().join("c"));
    // One that is not read is no mistake.
    assert_eq!(trained(&opened(&folder, ", classes: [b, a]").unwrap()), ["b/y.jpg", "a/x.jpg"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_links_reach_again_counts_once_and_under_two_labels_is_refused() {
    let (folder, elsewhere) = (two(), tempfile::tempdir().unwrap());
    jpeg_file(elsewhere.path().join("z.jpg"));
    link(elsewhere.path().join("z.jpg"), folder.path().join("a/z.jpg"));
    assert_eq!(trained(&opened(&folder, "").unwrap()), ["a/x.jpg", "a/z.jpg", "b/y.jpg"]);
    // The file stays where it is, whichever name comes first; of links alone the first.
    link("x.jpg", folder.path().join("a/0.jpg"));
    link("z.jpg", folder.path().join("a/z2.jpg"));
    std::fs::hard_link(folder.path().join("b/y.jpg"), folder.path().join("b/hard.jpg")).unwrap();
    let parts = opened(&folder, "").unwrap();
    assert_eq!(trained(&parts), ["a/x.jpg", "a/z.jpg", "b/hard.jpg", "b/y.jpg"]);
    let note = "2 links to images that are in the same class as well: counted once";
    assert!(parts.notes.iter().any(|said| said.ends_with(note)), "{:?}", parts.notes);
    link("../a/x.jpg", folder.path().join("b/other.jpg"));
    assert_eq!(
        refused(&folder, opened(&folder, "")),
        "ROOT: `a/x.jpg` and `b/other.jpg` are one file, by a link, under two labels – expected one label for a file – take one of \
         them out"
    );
}

#[cfg(unix)]
#[test]
fn a_fifo_is_a_broken_image_and_a_link_to_nothing_too() {
    let folder = two();
    crate::written::fifo(folder.path().join("a/pipe.png"));
    link("nowhere", folder.path().join("b/gone.png"));
    let train = opened(&folder, "").unwrap().train.unwrap();
    assert!(crate::check_depth(&[&*train]).is_ok(), "and it is not opened to see its depth");
    for found in [crate::broken(&*train, 2, &|_| {}), crate::truncated(&*train, 2)] {
        assert_eq!(
            found.iter().map(|image| image.id.as_str()).collect::<Vec<_>>(),
            ["a/pipe.png", "b/gone.png"]
        );
        assert!(found[0].reason.contains("a/pipe.png: is a FIFO"), "{}", found[0].reason);
    }
}

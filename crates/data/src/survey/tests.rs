use super::*;
use crate::written::{file, jpeg, jpeg_file, picture};

fn look(path: &Path) -> Survey {
    survey(path, 2).unwrap_or_else(|error| panic!("{error}"))
}

fn shown(survey: &Survey, folder: &tempfile::TempDir) -> String {
    let text = serde_yaml::to_string(&survey.options).unwrap();
    text.replace(&folder.path().display().to_string(), "ROOT")
}

#[test]
fn class_folders_with_a_copy_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("covid", 3), ("normal", 5)] {
        for index in 0..count {
            file(
                folder.path().join(format!("set/{class}/{index}.jpg")),
                jpeg(&picture(20 + index, 12), None),
            );
            jpeg_file(folder.path().join(format!("set/augmented data/{class}/{class}{index}.jpg")));
        }
    }
    std::fs::create_dir_all(folder.path().join("set/empty")).unwrap();
    let found = look(folder.path());
    assert_eq!(found.source.name, "folder");
    assert_eq!(shown(&found, &folder), "root: ROOT/set\nclasses:\n- covid\n- normal\n");
    assert_eq!(
        found.notes,
        [
            "`augmented data` holds the classes once more (a copy, or augmented images): left out",
            "no images in empty: left out",
        ]
    );
    assert_eq!(found.facts.counts, [("train".to_owned(), vec![3, 5])]);
    assert_eq!((found.facts.widths.least, found.facts.widths.greatest), (20, 24));
    assert_eq!(
        found.facts.kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect::<Vec<_>>(),
        [("JPEG, RGB, 8 bits", 8)]
    );
    // covid/0 is normal/0 …
    assert_eq!(found.identical.across_classes().len(), 3);
}

#[test]
fn parts_with_patients_in_the_names() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["train", "val", "test"] {
        for class in ["a", "b"] {
            for number in 0..4 {
                let name = format!("{part}/{class}/person{}_{class}{part}{number}.jpg", number / 2);
                file(folder.path().join(name), jpeg(&picture(20 + number, 12), None));
            }
        }
    }
    let found = look(folder.path());
    assert_eq!(found.source.name, "folder");
    assert_eq!(found.facts.counts.len(), 3);
    let guess = found.groups.unwrap();
    assert_eq!((guess.groups, guess.images), (2, 24));
    let leak = GroupLeak { groups: 2, in_test: 2, example: Some("person0".into()) };
    assert_eq!(guess.leak, leak);
    assert_eq!(guess.example.1, "person0");
}

#[test]
fn a_table_of_ids() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=6 {
        jpeg_file(folder.path().join(format!("pictures/00{number}.jpg")));
    }
    file(
        folder.path().join("meta.csv"),
        "nr,Age,Patient ID,dx\n1,30,p1,mel\n2,30,p1,nv\n3,40,p2,nv\n4,40,p2,mel\n5,1,p3,nv\n6,1,p3,nv\n",
    );
    let found = look(folder.path());
    assert_eq!(found.source.name, "csv");
    assert_eq!(shown(&found, &folder), "file: ROOT/meta.csv\npath: nr\nlabel: dx\ngroup: Patient ID\n");
    assert_eq!(found.parts.train.unwrap().len(), 6);
    assert!(found.groups.is_none());
}

#[test]
fn what_nothing_reads_is_told() {
    let folder = tempfile::tempdir().unwrap();
    jpeg_file(folder.path().join("a.jpg"));
    let said = |path: &Path| {
        survey(path, 1).err().unwrap().to_string().replace(&folder.path().display().to_string(), "ROOT")
    };
    assert!(said(folder.path()).starts_with("ROOT: nothing here says which class an image has;"));
    assert!(said(&folder.path().join("nowhere")).starts_with("ROOT/nowhere: no such file or folder;"));
    assert!(said(&folder.path().join("a.jpg")).starts_with("ROOT/a.jpg: expected a folder, or a .csv"));
    file(folder.path().join("x.csv"), "file,label\nb,1\n");
    assert_eq!(
        said(&folder.path().join("x.csv")),
        "ROOT/x.csv: no column names images below ROOT: file, label"
    );
}

/// A picture of its own size in each of these places.
fn pictures(folder: &tempfile::TempDir, paths: &[&str]) {
    for (number, path) in (0..).zip(paths) {
        file(folder.path().join(path), jpeg(&picture(20 + number, 12), None));
    }
}

#[test]
fn of_several_copies_of_a_dataset_the_original_is_read() {
    for (original, copy) in
        [("original", "augmented data"), ("Original Images", "Aug"), ("images", "augmentation")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = |of: &str, class: &str| format!("{of}/{class}/1.jpg");
        let paths = [path(original, "A"), path(original, "b"), path(copy, "a"), path(copy, "b")];
        pictures(&folder, &paths.each_ref().map(String::as_str));
        let found = look(folder.path());
        assert_eq!(shown(&found, &folder), format!("root: ROOT/{original}\n"));
        assert_eq!(found.notes.len(), 1);
        assert!(
            found.notes[0].contains("each hold the folders")
                && found.notes[0].contains(&format!("`{original}` alone is read")),
            "{:?}",
            found.notes
        );
    }
}

#[test]
fn copies_that_no_name_tells_apart_are_not_chosen_from() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder, &["one/a/1.jpg", "one/b/1.jpg", "two/a/1.jpg", "two/b/1.jpg"]);
    assert_eq!(
        crate::written::refused(&folder, survey(folder.path(), 1)),
        "ROOT: `one`, `two` each hold the folders a, b: they are copies of one dataset, or classes with the same folders within, and no \
         name tells; if a, b are the classes, name the folder to read, such as ROOT/one; if not, write a recipe with data: { name: \
         folder, root: ROOT }, which takes the outer folders for classes"
    );
    // One folder in common is chance, and what has the name of a part is one.
    std::fs::rename(folder.path().join("two/b"), folder.path().join("two/c")).unwrap();
    assert_eq!(look(folder.path()).facts.classes, ["one", "two"]);
    std::fs::rename(folder.path().join("two/c"), folder.path().join("two/b")).unwrap();
    std::fs::rename(folder.path().join("one"), folder.path().join("training_set")).unwrap();
    std::fs::rename(folder.path().join("two"), folder.path().join("Test")).unwrap();
    let parts = look(folder.path()).parts;
    assert!(parts.train.is_some() && parts.test.is_some());
}

#[test]
fn parts_beside_class_folders_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder, &["a/1.jpg", "b/1.jpg", "val/a/2.jpg", "test/3.jpg"]);
    let found = look(folder.path());
    assert_eq!(shown(&found, &folder), "root: ROOT\nclasses:\n- a\n- b\n");
    assert!(
        found.notes[0].starts_with("`test` has the name of a part and no class folders"),
        "{:?}",
        found.notes
    );
    assert!(
        found.notes[1].starts_with("`val` has the name of a part and holds the classes"),
        "{:?}",
        found.notes
    );
    // Two of them, still without a training part.
    pictures(&folder, &["test/a/3.jpg", "test/b/4.jpg"]);
    assert_eq!(shown(&look(folder.path()), &folder), "root: ROOT\nclasses:\n- a\n- b\n");
}

#[test]
fn test_images_without_labels_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder, &["train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"]);
    let found = look(folder.path());
    assert_eq!(shown(&found, &folder), "root: ROOT/train\n");
    assert_eq!(found.notes, ["`test` has no class folders, so its images have no labels: left out"]);
    std::fs::rename(folder.path().join("train"), folder.path().join("val")).unwrap();
    assert!(survey(folder.path(), 1).is_err(), "nothing to train on");
}

#[test]
fn files_that_end_early_are_found_beyond_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..facts::SAMPLE + 10 {
        file(
            folder.path().join(format!("{}/{number}.jpg", ["a", "b"][number % 2])),
            jpeg(&picture(16, 12), None),
        );
    }
    let whole = jpeg(&picture(16, 12), None);
    file(folder.path().join("a/0.jpg"), &whole[..whole.len() - 9]);
    file(folder.path().join("b/1001.jpg"), &whole[..whole.len() - 9]);
    file(folder.path().join("b/1003.jpg"), "");
    file(folder.path().join("a/1002.jpg"), "");
    let found = look(folder.path());
    let ids: Vec<&str> = found.facts.unreadable.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a/0.jpg", "a/1002.jpg", "b/1001.jpg", "b/1003.jpg"]);
    assert_eq!(found.facts.ending_early(), 2);
    assert!(found.identical.0.iter().flatten().all(|place| !ids.contains(&place.id.as_str())));
}

#[cfg(unix)]
#[test]
fn links_go_by_the_rule_of_all_sources() {
    use crate::written::{fifo, link};

    let folder = tempfile::tempdir().unwrap();
    for name in ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"] {
        jpeg_file(folder.path().join(name));
    }
    link("../b", folder.path().join("a/dup"));
    let said = crate::written::refused(&folder, survey(folder.path(), 2));
    assert!(said.starts_with("ROOT/a/dup: a link to a folder"), "{said}");
    std::fs::remove_file(folder.path().join("a/dup")).unwrap();
    link("a", folder.path().join("c"));
    let said = crate::written::refused(&folder, survey(folder.path(), 2));
    assert!(said.starts_with("ROOT/c: a link to a folder"), "{said}");
    std::fs::remove_file(folder.path().join("c")).unwrap();
    fifo(folder.path().join("a/pipe.jpg"));
    assert_eq!(look(folder.path()).facts.unreadable[0].0, "a/pipe.jpg");
}

#[test]
fn an_image_that_claims_to_be_huge_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/1.jpg", "b/1.jpg"] {
        jpeg_file(folder.path().join(name));
    }
    file(folder.path().join("b/2.png"), crate::written::forged_png(65_535, 65_535, &[]));
    let found = look(folder.path()).facts;
    assert_eq!((found.unreadable[0].0.as_str(), found.widths.greatest), ("b/2.png", 16));
}

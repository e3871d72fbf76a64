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
    assert_eq!((guess.groups, guess.images, guess.on_two_sides), (2, 24, 2));
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

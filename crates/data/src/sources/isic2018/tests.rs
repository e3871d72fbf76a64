use std::fs;

use super::*;
use crate::written::{file, jpeg_file, options, real};

/// Two parts: four training images of three lesions, and one test image. The test part's CSV is directly in the root.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let truth = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n";
    file(
        root.join("ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"),
        format!(
            "{truth}ISIC_1,0.0,1.0,0.0,0.0,0.0,0.0,0.0\nISIC_2,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n\
             ISIC_3,1.0,0.0,0.0,0.0,0.0,0.0,0.0\nISIC_4,0,0,0,0,0,0,1\n"
        ),
    );
    for id in 1..=4 {
        jpeg_file(root.join(format!("ISIC2018_Task3_Training_Input/ISIC_{id}.jpg")));
    }
    file(
        root.join("ISIC2018_Task3_Training_LesionGroupings.csv"),
        "image,lesion_id,diagnosis_confirm_type\nISIC_1,HAM_1,histopathology\nISIC_2,HAM_1,histopathology\nISIC_3,HAM_2,x\n",
    );
    file(
        root.join("ISIC2018_Task3_Test_GroundTruth.csv"),
        "image,VASC,MEL,NV,BCC,AKIEC,BKL,DF,score_weight\nISIC_9,0,0,0,0,0,1,0,0.5\n",
    );
    jpeg_file(root.join("ISIC2018_Task3_Test_Input/ISIC_9.JPG"));
    file(root.join("ISIC2018_Task3_Test_Input/ATTRIBUTION.txt"), "");
    folder
}

fn read(folder: &tempfile::TempDir) -> Result<Parts> {
    SPEC.read(&options(&format!("root: {}", folder.path().display())))
}

/// The message without the folder of the test.
fn refused(folder: &tempfile::TempDir) -> String {
    let error = read(folder).err().expect("refused").to_string();
    error.replace(&folder.path().display().to_string(), "ROOT")
}

#[test]
fn reads_the_official_folders() {
    let folder = written();
    let parts = read(&folder).unwrap();
    let train = parts.train.unwrap();
    assert_eq!(train.classes(), CLASSES);
    assert_eq!((0..4).map(|i| train.label(i)).collect::<Vec<_>>(), [1, 1, 0, 6]);
    assert_eq!(
        (0..4).map(|i| train.group(i)).collect::<Vec<_>>(),
        [Some("HAM_1"), Some("HAM_1"), Some("HAM_2"), None]
    );
    assert_eq!(train.group_name(), Some("lesion_id"));
    assert_eq!(train.id(3), "ISIC_4");
    assert_eq!(crate::decode(&train.image(0).unwrap()).unwrap().width, 16);
    assert!(parts.validation.is_none());
    let test = parts.test.unwrap();
    assert_eq!(
        (test.len(), test.label(0), test.group_name()),
        (1, 4, None),
        "columns by name, further ones allowed"
    );
    assert_eq!(
        parts.notes,
        ["1 training images are in no lesion grouping; each counts as a lesion of its own"]
    );
}

#[test]
fn a_leak_names_the_file_of_the_groups() {
    let folder = written();
    let path = folder.path().join("split.csv");
    file(&path, "image,split\nISIC_1,train\nISIC_2,val\nISIC_3,train\nISIC_4,val\n");
    let split = crate::Split { rule: crate::Rule::File(path), group: None, stratified: true, replace: false };
    let train = read(&folder).unwrap().train.unwrap();
    assert_eq!(
        crate::written::refused(
            &folder,
            crate::divide(train, &split, &crate::Decoded::default(), tallow_seed::Seed::new(1))
        ),
        "ROOT/split.csv: lesion `HAM_1` is on 2 sides of the split: train (ISIC_1) and validation (ISIC_2); 1 lesion in all (by \
         ROOT/ISIC2018_Task3_Training_LesionGroupings.csv) – put all images of a lesion on one side"
    );
}

#[test]
fn does_without_groupings_and_says_so() {
    let folder = written();
    fs::remove_file(folder.path().join("ISIC2018_Task3_Training_LesionGroupings.csv")).unwrap();
    let parts = read(&folder).unwrap();
    assert_eq!(parts.train.unwrap().group_name(), None);
    assert!(parts.notes[0].contains("nothing keeps two images of a lesion on one side"), "{:?}", parts.notes);
}

#[test]
fn says_what_to_download() {
    let empty = tempfile::tempdir().unwrap();
    let message = refused(&empty);
    assert!(
        message.starts_with("ROOT: no ISIC 2018 Task 3 here; download ISIC2018_Task3_Training_Input.zip"),
        "{message}"
    );
    assert!(message.contains("unpack them in ROOT, or say where they are with data.root=…"), "{message}");

    let folder = written();
    fs::remove_dir_all(folder.path().join("ISIC2018_Task3_Test_Input")).unwrap();
    assert_eq!(
        refused(&folder),
        "ROOT/ISIC2018_Task3_Test_Input: the Test part has no such file or folder; download \
         https://isic-archive.s3.amazonaws.com/challenges/2018/ISIC2018_Task3_Test_Input.zip and unpack it in ROOT, or say \
         where the data is with data.root=…"
    );
    let folder = written();
    fs::remove_dir_all(folder.path().join("ISIC2018_Task3_Training_GroundTruth")).unwrap();
    assert!(refused(&folder).contains("ISIC2018_Task3_Training_GroundTruth.zip"));
}

#[test]
fn counts_absent_images() {
    let folder = written();
    fs::remove_file(folder.path().join("ISIC2018_Task3_Training_Input/ISIC_2.jpg")).unwrap();
    fs::remove_file(folder.path().join("ISIC2018_Task3_Training_Input/ISIC_4.jpg")).unwrap();
    let message = refused(&folder);
    assert!(
        message
            .starts_with("ROOT/ISIC2018_Task3_Training_Input: 2 of 4 images are not here: ISIC_2, ISIC_4;"),
        "{message}"
    );
}

#[test]
fn wants_one_class_for_each_image() {
    let truth = "ISIC2018_Task3_Test_GroundTruth.csv";
    let with = |text: &str| {
        let folder = written();
        file(folder.path().join(truth), text);
        refused(&folder).replace("ROOT/ISIC2018_Task3_Test_GroundTruth.csv", "CSV")
    };
    let header = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n";
    assert_eq!(
        with(&format!("{header}ISIC_9,0,1,0,0,1,0,0\n")),
        "CSV:2: ISIC_9: expected one class of 1, got 2"
    );
    assert_eq!(
        with(&format!("{header}ISIC_9,0,0,0,0,0,0,0\n")),
        "CSV:2: ISIC_9: expected one class of 1, got 0"
    );
    assert_eq!(
        with(&format!("{header}ISIC_9,0,x,0,0,0,0,0\n")),
        "CSV:2: ISIC_9: NV: expected 0 or 1, got `x`"
    );
    assert_eq!(
        with("image,MEL,NV,BCC,AK,BKL,DF,VASC\nISIC_9,0,0,0,0,0,0,1\n"),
        "CSV: expected a column `AKIEC`; did you mean `AK`? known: image, MEL, NV, BCC, AK, BKL, DF, VASC – unpack the \
         challenge's own file again"
    );
    assert_eq!(
        with(&format!("{header}ISIC_9,0,0,0,0,0,0,1\nISIC_9,0,0,0,0,0,0,1\n")),
        "CSV:3: ISIC_9: expected one row for an image, got two – the other is in line 2; keep one"
    );
    assert_eq!(
        with(&format!("{header}ISIC_9,0,0,0,0,0,0,0\nISIC_8,0,0,0,0,0,-,1\n")),
        "CSV:2: ISIC_9: expected one class of 1, got 0\nCSV:3: ISIC_8: DF: expected 0 or 1, got `-`"
    );
}

#[test]
fn refuses_keys_it_does_not_know() {
    let error = SPEC.read(&options("{ rot: a }")).err().unwrap().to_string();
    assert_eq!(error, "data.rot: `isic2018` has no such key; did you mean `root`? known: root, follow_links");
}

#[test]
fn the_real_images() {
    let Some(root) = real("isic2018") else { return };
    let parts = SPEC.read(&options(&format!("root: {}", root.display()))).unwrap();
    let train = parts.train.unwrap();
    let mut counts = [0; 7];
    (0..train.len()).for_each(|index| counts[train.label(index) as usize] += 1);
    println!("{} images, {counts:?}; {:?}", train.len(), parts.notes);
    // Another copy may be the whole set.
    assert!(train.len() == 10_015 || counts == [491, 4323, 264, 183, 583, 60, 80], "{counts:?}");
    let split = root.join("split.csv");
    if split.exists() {
        let split = crate::Split {
            rule: crate::Rule::File(split),
            group: Some(crate::Grouping::Own("lesion_id".into())),
            stratified: true,
            replace: false,
        };
        let divided =
            crate::divide(train.clone(), &split, &crate::Decoded::default(), tallow_seed::Seed::new(1))
                .unwrap();
        println!("split.csv: {} and {}", divided.train.len(), divided.validation.len());
        assert_eq!((divided.train.len(), divided.validation.len()), (5087, 897));
    }
    let broken = crate::broken(&*train, 2, &|_| {});
    assert_eq!(broken, []);
}

#[cfg(unix)]
#[test]
fn links_go_by_the_rule_of_all_sources() {
    use crate::written::link;

    let folder = written();
    let images = folder.path().join("ISIC2018_Task3_Training_Input");
    fs::remove_file(images.join("ISIC_4.jpg")).unwrap();
    link("ISIC_3.jpg", images.join("ISIC_4.jpg"));
    assert_eq!(
        refused(&folder),
        "ROOT/ISIC2018_Task3_Training_Input: ISIC_3 and ISIC_4 are one file, by a link – expected a file for each image – unpack the \
         challenge's own file again"
    );
    let folder = written();
    let images = folder.path().join("ISIC2018_Task3_Training_Input");
    fs::rename(&images, folder.path().join("elsewhere")).unwrap();
    link("elsewhere", &images);
    assert!(
        refused(&folder).starts_with("ROOT/ISIC2018_Task3_Training_Input: a link to a folder – expected")
    );
    let followed = options(&format!("{{ root: {}, follow_links: true }}", folder.path().display()));
    assert_eq!(SPEC.read(&followed).unwrap().train.unwrap().len(), 4);
    let folder = written();
    let images = folder.path().join("ISIC2018_Task3_Training_Input");
    link("..", images.join("up"));
    assert!(refused(&folder).starts_with("ROOT/ISIC2018_Task3_Training_Input/up: a link to a folder"));
    // A folder is no image, whatever its name.
    let folder = written();
    let image = folder.path().join("ISIC2018_Task3_Training_Input/ISIC_4.jpg");
    fs::remove_file(&image).unwrap();
    fs::create_dir(&image).unwrap();
    assert!(refused(&folder).contains("1 of 4 images are not here: ISIC_4"));
}

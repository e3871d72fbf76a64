use std::collections::{HashMap, HashSet};

use super::{divide as divide_known, *};
use crate::written::{file, table};
use crate::{Images, Row, Table};

/// As of data that were never seen before.
fn divide(dataset: Arc<dyn Dataset>, split: &Split, seed: Seed) -> Result<Divided> {
    divide_known(dataset, split, &Decoded::default(), seed)
}

/// 2000 images of four classes with a long tail; lesions of one to five images and one class.
fn lesions(seed: u64) -> Table {
    let mut rng = Seed::new(seed).rng();
    let mut rows: Vec<(u32, String)> = Vec::new();
    while rows.len() < 2000 {
        let label = rng.weighted(&[0.7, 0.2, 0.08, 0.02]) as u32;
        let lesion = format!("lesion {}", rows.len());
        (0..=rng.below(5)).for_each(|_| rows.push((label, lesion.clone())));
    }
    rng.shuffle(&mut rows);
    table(&rows.iter().map(|(label, lesion)| (*label, lesion.as_str())).collect::<Vec<_>>())
}

fn rule(yaml: &str) -> Split {
    Split::parse(&serde_yaml::from_str(yaml).unwrap()).unwrap()
}

fn counts(dataset: &dyn Dataset, classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    (0..dataset.len()).for_each(|index| counts[dataset.label(index) as usize] += 1.0);
    counts
}

#[test]
fn each_class_is_divided_alike_and_no_lesion_is_on_two_sides() {
    for seed in 0..10 {
        let all: Arc<dyn Dataset> = Arc::new(lesions(seed));
        let divided =
            divide(all.clone(), &rule("{ validation: 0.15, group: lesion_id }"), Seed::new(seed)).unwrap();
        check_disjoint(&[("train", &*divided.train), ("validation", &*divided.validation)]).unwrap();
        assert_eq!(divided.train.len() + divided.validation.len(), all.len());
        let (every, judged) = (counts(&*all, 4), counts(&*divided.validation, 4));
        for (class, (n, all)) in judged.iter().zip(&every).enumerate() {
            // The last lesions dealt are of one image, so every class comes close to its share.
            assert!((n - 0.15 * all).abs() <= 2.0, "seed {seed}, class {class}: {n} of {all}");
        }
        let again = divide(all.clone(), &rule("{ validation: 0.15 }"), Seed::new(seed)).unwrap();
        assert_eq!(again.validation.indices(), divided.validation.indices());
        let other = divide(all, &rule("{ validation: 0.15 }"), Seed::new(seed + 100)).unwrap();
        assert_ne!(other.validation.indices(), divided.validation.indices());
        assert!(divided.validation.indices().is_sorted());
    }
}

#[test]
fn single_images_are_divided_to_the_nearest() {
    // 100, 40, 13 and 3 images: shares 15, 6, 1.95 and 0.45.
    let rows: Vec<(u32, &str)> =
        [100, 40, 13, 3].iter().zip(0..).flat_map(|(&n, class)| vec![(class, ""); n]).collect();
    let divided = divide(Arc::new(table(&rows)), &rule("{ validation: 0.15 }"), Seed::new(1)).unwrap();
    assert_eq!(counts(&*divided.validation, 4), [15.0, 6.0, 2.0, 0.0]);
}

#[test]
fn unstratified_keeps_the_share_of_all_images() {
    let all: Arc<dyn Dataset> = Arc::new(lesions(5));
    let divided =
        divide(all.clone(), &rule("{ validation: 0.25, stratified: false }"), Seed::new(1)).unwrap();
    assert!((divided.validation.len() as f64 - 0.25 * all.len() as f64).abs() <= 1.0);
    let stratified = divide(all, &rule("{ validation: 0.25 }"), Seed::new(1)).unwrap();
    assert_ne!(stratified.validation.indices(), divided.validation.indices());
}

#[test]
fn folds_partition_the_images() {
    let all: Arc<dyn Dataset> = Arc::new(lesions(7));
    let every = counts(&*all, 4);
    let mut seen = HashSet::new();
    let mut fold_of = HashMap::new();
    for fold in 0..5 {
        let divided =
            divide(all.clone(), &rule(&format!("{{ folds: 5, fold: {fold} }}")), Seed::new(2)).unwrap();
        for &index in divided.validation.indices() {
            assert!(seen.insert(index), "image {index} validates twice");
            let lesion = all.group(index as usize).unwrap();
            assert_eq!(*fold_of.entry(lesion).or_insert(fold), fold);
        }
        for (n, all) in counts(&*divided.validation, 4).iter().zip(&every) {
            assert!((n - all / 5.0).abs() <= 2.0, "fold {fold}: {n} of {all}");
        }
    }
    assert_eq!(seen.len(), all.len());
}

#[test]
fn a_class_smaller_than_the_folds_is_spread() {
    let rows: Vec<(u32, &str)> =
        [50, 3].iter().zip(0..).flat_map(|(&n, class)| vec![(class, ""); n]).collect();
    let all: Arc<dyn Dataset> = Arc::new(table(&rows));
    let rare = |fold: u32| {
        let split =
            Split { rule: Rule::Fold { folds: 5, fold }, group: None, stratified: true, replace: false };
        counts(&*divide(all.clone(), &split, Seed::new(1)).unwrap().validation, 2)
    };
    let folds: Vec<Vec<f64>> = (0..5).map(rare).collect();
    assert!(folds.iter().all(|counts| counts[0] == 10.0 && counts[1] <= 1.0), "{folds:?}");
}

fn written(text: &str) -> (tempfile::TempDir, Split) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("split.csv");
    file(&path, text);
    (folder, Split { rule: Rule::File(path), group: None, stratified: true, replace: false })
}

fn four() -> Arc<dyn Dataset> {
    Arc::new(table(&[(0, "a"), (0, "a"), (1, "b"), (1, "")]))
}

/// The message without the folder of the test.
fn refused(text: &str) -> String {
    let (folder, split) = written(text);
    let error = divide(four(), &split, Seed::new(1)).err().expect("refused").to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_file_divides() {
    let text = "image,split\nimage 3,val\nimage 0,train\nimage 1,Train\nimage 2,test\nunknown,test\n";
    let (_folder, split) = written(text);
    let divided = divide(four(), &split, Seed::new(1)).unwrap();
    assert_eq!(divided.train.indices(), [0, 1]);
    assert_eq!(divided.validation.indices(), [3]);
    assert_eq!(divided.validation.id(0), "image 3");
}

#[test]
fn a_lesion_on_two_sides_is_refused() {
    assert_eq!(
        refused("image,split\nimage 0,train\nimage 1,val\nimage 2,val\nimage 3,train\n"),
        "split.csv: lesion `a` is on 2 sides of the split: train (image 0) and validation (image 1); 1 lesion in all (by a test) – put \
         all images of a lesion on one side"
    );
    let leak = refused("image,split\nimage 0,train\nimage 1,test\nimage 2,val\nimage 3,train\n");
    assert!(
        leak.starts_with(
            "split.csv: lesion `a` is on 2 sides of the split: test (image 1) and train (image 0)"
        ),
        "{leak}"
    );
}

#[test]
fn every_mistake_of_a_file_is_named_at_once() {
    assert_eq!(
        refused("image,split\nimage 0,left\nimage 1,train\nimage 3,val\nimage 1,val\nimage 9,val\n"),
        "split.csv:2: image 0: expected train, val or test, got `left` – write one of them, or `test` to use the image on \
         neither side\n\
         split.csv:5: image 1: expected one row for an image, got two – the other is in line 3; keep one\n\
         split.csv: 1 of 5 images are not in the training part: image 9 (line 6) – name images as it does (its first is \
         `image 0`), or take the rows out\n\
         split.csv: expected every training image, 1 of 4 are left out: image 2 – give them a side, or `test` to use them \
         on neither"
    );
    assert_eq!(refused("a,b\nimage 0,train\n").lines().count(), 2, "both columns");
}

#[test]
fn a_file_names_every_image_once() {
    assert_eq!(
        refused("image,split\nimage 0,train\nimage 1,train\nimage 2,val\nimage 3,val\nimage 4,val\n"),
        "split.csv: 1 of 5 images are not in the training part: image 4 (line 6) – name images as it does (its first is \
         `image 0`), or take the rows out"
    );
    assert_eq!(
        refused("image,split\nimage 0,train\nimage 2,val\n"),
        "split.csv: expected every training image, 2 of 4 are left out: image 1, image 3 – give them a side, or \
         `test` to use them on neither"
    );
    assert_eq!(
        refused("image,side\nimage 0,train\n"),
        "split.csv: expected a column `split`; known: image, side – a split file has the columns `image` and `split`"
    );
    let all_train = "image,split\nimage 0,train\nimage 1,train\nimage 2,train\nimage 3,train\n";
    assert_eq!(
        refused(all_train),
        "split.csv: leaves no image for validation of the 4 there are – write `val` beside some of them"
    );
    let split = rule("{ file: nowhere.csv }");
    let error = divide(four(), &split, Seed::new(1)).err().unwrap();
    assert_eq!(
        error.to_string(),
        "nowhere.csv: no such split file; write a CSV with the columns `image` and `split`, or name another with \
         data.split.file=…"
    );
}

#[test]
fn official_parts_share_nothing() {
    let a = table(&[(0, "a"), (0, "b")]);
    let mut b = table(&[(0, "c"), (0, "d")]);
    let error = check_disjoint(&[("train", &a), ("test", &b)]).unwrap_err().to_string();
    assert!(error.starts_with(
        "a test: image `image 0` is on 2 sides of the split: test (image 0) and train (image 0); 2 images"
    ));
    let mut rows: Vec<Row> = (0..2)
        .map(|index| Row { id: format!("other {index}"), label: 0, group: b.group(index).map(str::to_owned) })
        .collect();
    let of = |rows: &Vec<Row>| {
        let images = Images::Pixels { width: 1, height: 1, channels: 1, bytes: vec![0; 2] };
        Table::new("a test", vec!["a".into()], Some("lesion_id".into()), rows.clone().into(), images).unwrap()
    };
    b = of(&rows);
    check_disjoint(&[("train", &a), ("test", &b)]).unwrap();
    rows[1].group = Some("a".into());
    b = of(&rows);
    let error = check_disjoint(&[("train", &a), ("test", &b)]).unwrap_err();
    assert!(matches!(error, Error::Leak(_)));
    assert!(error.to_string().starts_with("a test: lesion `a` is on 2 sides"), "{error}");
}

#[test]
fn groups_that_a_recipe_names_must_exist() {
    let message = |dataset: Arc<dyn Dataset>, group: &str| {
        let split = rule(&format!("{{ validation: 0.5, group: {group} }}"));
        divide(dataset, &split, Seed::new(1)).err().expect("refused").to_string()
    };
    assert_eq!(
        message(four(), "patient_id"),
        "data.split.group: expected `lesion_id`, as this dataset has, got `patient_id`"
    );
    assert_eq!(
        message(Arc::new(table(&[(0, ""), (0, "")])), "lesion_id"),
        "data.split.group: expected groups `lesion_id`, but this dataset has none – leave the key out, or say where they are: the name \
         of the dataset's groups, { path: \"person(\\\\d+)_\" } or { file: groups.csv, image: image, group: patient_id }"
    );
}

#[test]
fn copies_stay_on_one_side() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|index| format!("{index}.jpg")).collect();
    // 0 and 1, 2 and 3 … are the same to the byte; 1 and 2 are of one lesion.
    for (index, name) in names.iter().enumerate() {
        file(folder.path().join(name), format!("picture {:02}", index / 2));
    }
    let group = |index: usize| (index == 1 || index == 2).then(|| "a".to_owned());
    let rows =
        names.iter().enumerate().map(|(index, name)| Row { id: name.clone(), label: 0, group: group(index) });
    let paths = names.iter().map(|name| folder.path().join(name)).collect();
    let (classes, name) = (vec!["x".to_owned()], Some("lesion_id".to_owned()));
    let table = Table::new("a test", classes, name, rows.collect(), Images::Files(paths)).unwrap();
    let divided = divide(Arc::new(table), &rule("{ validation: 0.3 }"), Seed::new(3)).unwrap();
    let numbers: HashSet<usize> = (0..divided.validation.len())
        .map(|row| divided.validation.id(row)[..].trim_end_matches(".jpg").parse().unwrap())
        .collect();
    assert!(numbers.len() >= 10);
    for pair in 0..20 {
        assert_eq!(numbers.contains(&(2 * pair)), numbers.contains(&(2 * pair + 1)), "{pair}");
    }
    assert_eq!(numbers.contains(&0), numbers.contains(&3), "joined by a lesion");
}

#[test]
fn reads_a_recipe_and_finds_every_mistake() {
    assert_eq!(
        rule("{ file: s.csv, group: lesion_id, validation: 0.15 }").rule,
        Rule::File("s.csv".into()),
        "a file wins"
    );
    assert_eq!(rule("{ folds: 5, fold: 4 }").rule, Rule::Fold { folds: 5, fold: 4 });
    let mistakes = |yaml: &str| -> Vec<String> {
        let errors = Split::parse(&serde_yaml::from_str(yaml).unwrap()).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        mistakes("{ validatoin: 0.1, stratified: 3, validation: 15, folds: 3, fold: 3 }"),
        [
            "data.split.validatoin: no such key; did you mean `validation`? known: file, validation, folds, fold, group, \
             stratified, replace",
            "data.split.stratified: expected `true` or `false`, got 3",
            "data.split.validation: expected a share of the images between 0 and 1, got 15",
            "data.split.fold: expected a fold from 0 to 2, got 3",
        ]
    );
    assert_eq!(mistakes("{ folds: 1, fold: 0 }"), ["data.split.folds: expected 2 folds or more, got 1"]);
    assert_eq!(
        mistakes("{ stratified: true }"),
        ["data.split: expected one of `validation`, `folds` with `fold`, `file` and `group`, got none"]
    );
    assert_eq!(rule("{ group: lesion_id }").rule, Rule::Official);
    assert_eq!(
        mistakes("0.15"),
        ["data.split: expected { validation: 0.15 }, { folds: 5, fold: 0 } or { file: split.csv }, got 0.15"]
    );
}

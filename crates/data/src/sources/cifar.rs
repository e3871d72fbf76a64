//! CIFAR-10 and CIFAR-100: 32×32, RGB; the binary files of the authors, or parquet.

use std::path::{Path, PathBuf};

use super::{EXPANSION, FOLLOW_LINKS, Parts, SourceSpec, hub, links, max_expansion, parquet};
use crate::readers::binary;
use crate::readers::parquet::Columns;
use crate::{Error, Options, Result};

pub const CIFAR10: SourceSpec = SourceSpec {
    name: "cifar10",
    summary: "CIFAR-10: 10 classes, 32×32, RGB, 50,000 / – / 10,000",
    keys: &[
        (
            "root",
            "data/cifar10",
            "the folder of data_batch_1.bin … test_batch.bin, or of train-*.parquet and test-*.parquet",
        ),
        ("hub", "false", "read uoft-cs/cifar10 from the hub instead"),
        EXPANSION,
        FOLLOW_LINKS,
    ],
    open: |options| open(options, &TEN),
};

pub const CIFAR100: SourceSpec = SourceSpec {
    name: "cifar100",
    summary: "CIFAR-100, fine labels: 100 classes, 32×32, RGB, 50,000 / – / 10,000",
    keys: &[
        (
            "root",
            "data/cifar100",
            "the folder of train.bin and test.bin, or of train-*.parquet and test-*.parquet",
        ),
        ("hub", "false", "read uoft-cs/cifar100 from the hub instead"),
        EXPANSION,
        FOLLOW_LINKS,
    ],
    open: |options| open(options, &HUNDRED),
};

struct Kind {
    root: &'static str,
    /// The folder inside the authors' archive.
    folder: &'static str,
    archive: &'static str,
    hub: &'static str,
    config: &'static str,
    label: &'static str,
    files: &'static [&'static str],
    classes: &'static [&'static str],
    read: fn(&Path) -> Result<binary::Loaded>,
}

const TEN: Kind = Kind {
    root: "data/cifar10",
    folder: "cifar-10-batches-bin",
    archive: "cifar-10-binary.tar.gz",
    hub: "uoft-cs/cifar10",
    config: "plain_text",
    label: "label",
    files: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        "test_batch.bin",
    ],
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    read: binary::cifar10,
};

const HUNDRED: Kind = Kind {
    root: "data/cifar100",
    folder: "cifar-100-binary",
    archive: "cifar-100-binary.tar.gz",
    hub: "uoft-cs/cifar100",
    config: "cifar100",
    label: "fine_label",
    files: &["train.bin", "test.bin"],
    classes: &FINE,
    read: binary::cifar100,
};

fn open(options: &Options, kind: &Kind) -> Result<Parts> {
    let classes: Vec<String> = kind.classes.iter().map(|name| (*name).to_string()).collect();
    let columns = Columns { image: "img".into(), label: kind.label.into(), group: None };
    let max_expansion = max_expansion(options)?;
    if options.flag("hub")?.unwrap_or(false) {
        return parquet::assemble(
            &hub::parquet(kind.hub, Some(kind.config))?,
            &columns,
            Some(classes),
            max_expansion,
        );
    }
    let root = options.path("root")?.unwrap_or_else(|| kind.root.into());
    let whole = |folder: &PathBuf| kind.files.iter().all(|file| folder.join(file).is_file());
    let Some(folder) = [root.clone(), root.join(kind.folder)].into_iter().find(whole) else {
        let files = parquet::below(&root, links(options)?)?;
        if !files.is_empty() {
            return parquet::assemble(&files, &columns, Some(classes), max_expansion);
        }
        let problem = format!("neither {} nor parquet files are here", kind.files.join(", "));
        let remedy = format!(
            "download https://www.cs.toronto.edu/~kriz/{} and unpack it in {}, or say where it is with data.root=…, or read it \
             from the hub with data.hub=true",
            kind.archive,
            root.display()
        );
        return Err(Error::missing(root.display(), problem, remedy));
    };
    Parts::of((kind.read)(&folder)?, &folder, &classes)
}

/// Fine labels, in label order (which is alphabetical).
#[rustfmt::skip]
const FINE: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

#[cfg(test)]
mod tests;

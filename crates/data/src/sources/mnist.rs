//! MNIST and Fashion-MNIST: 28×28, grey, ten classes.

use super::{EXPANSION, Parts, SourceSpec, hub, max_expansion, parquet};
use crate::readers::binary;
use crate::readers::parquet::Columns;
use crate::{Error, Options, Result};

pub const MNIST: SourceSpec = SourceSpec {
    name: "mnist",
    summary: "MNIST: handwritten digits, 28×28, grey, 60,000 / – / 10,000",
    keys: &[
        ("root", "data/mnist", ROOT),
        ("hub", "false", "read ylecun/mnist from the hub instead"),
        EXPANSION,
    ],
    open: |options| open(options, &DIGITS),
};

pub const FASHION: SourceSpec = SourceSpec {
    name: "fashion_mnist",
    summary: "Fashion-MNIST: articles of clothing, 28×28, grey, 60,000 / – / 10,000",
    keys: &[
        ("root", "data/fashion_mnist", ROOT),
        ("hub", "false", "read zalando-datasets/fashion_mnist from the hub instead"),
        EXPANSION,
    ],
    open: |options| open(options, &CLOTHES),
};

const ROOT: &str = "the folder of the four IDX files, unpacked: train-images-idx3-ubyte …";
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

struct Kind {
    root: &'static str,
    hub: &'static str,
    config: &'static str,
    address: &'static str,
    classes: [&'static str; 10],
}

const DIGITS: Kind = Kind {
    root: "data/mnist",
    hub: "ylecun/mnist",
    config: "mnist",
    address: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

const CLOTHES: Kind = Kind {
    root: "data/fashion_mnist",
    hub: "zalando-datasets/fashion_mnist",
    config: "fashion_mnist",
    address: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    classes: [
        "t-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ],
};

fn open(options: &Options, kind: &Kind) -> Result<Parts> {
    let classes: Vec<String> = kind.classes.map(String::from).to_vec();
    let max_expansion = max_expansion(options)?;
    if options.flag("hub")?.unwrap_or(false) {
        let columns = Columns { image: "image".into(), label: "label".into(), group: None };
        return parquet::assemble(
            &hub::parquet(kind.hub, Some(kind.config))?,
            &columns,
            Some(classes),
            max_expansion,
        );
    }
    let root = options.path("root")?.unwrap_or_else(|| kind.root.into());
    let absent: Vec<&str> = FILES.into_iter().filter(|file| !root.join(file).is_file()).collect();
    if !absent.is_empty() {
        let remedy = format!(
            "download {}.gz from {}, unpack (gunzip) into {}, or say where they are with data.root=…, or read them from the \
             hub with data.hub=true",
            FILES.join(".gz, "),
            kind.address,
            root.display()
        );
        return Err(Error::missing(root.display(), format!("{} are not here", absent.join(", ")), remedy));
    }
    Parts::of(binary::mnist(&root)?, &root, &classes)
}

#[cfg(test)]
mod tests;

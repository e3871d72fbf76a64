//! MedMNIST: small medical images in npz files.

use std::path::PathBuf;
use std::sync::Arc;

use super::{EXPANSION, Parts, SourceSpec, max_expansion};
use crate::part::Part;
use crate::readers::npz::Npz;
use crate::{Dataset, Error, Images, Options, Result, Row, Table};

pub const SPEC: SourceSpec = SourceSpec {
    name: "medmnist",
    summary: "MedMNIST: small 2-D medical images of one label each, official parts (CC BY 4.0; dermamnist CC BY-NC)",
    keys: &[
        ("path", "", "the npz file; wins over root, flag and size"),
        ("root", "data/medmnist", "the folder of the npz files"),
        ("flag", "", "the set: pathmnist, dermamnist, pneumoniamnist …"),
        ("size", "28", "28, 64, 128 or 224 pixels"),
        EXPANSION,
    ],
    open,
};

/// Source: the MedMNIST package, version 3.0.2.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "pathmnist",
        &[
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ],
    ),
    (
        "dermamnist",
        &[
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ],
    ),
    ("octmnist", &["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"]),
    ("pneumoniamnist", &["normal", "pneumonia"]),
    ("breastmnist", &["malignant", "normal, benign"]),
    (
        "bloodmnist",
        &[
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ],
    ),
    (
        "tissuemnist",
        &[
            "collecting duct, connecting tubule",
            "distal convoluted tubule",
            "glomerular endothelial cells",
            "interstitial endothelial cells",
            "leukocytes",
            "podocytes",
            "proximal tubule segments",
            "thick ascending limb",
        ],
    ),
    ("organamnist", ORGANS),
    ("organcmnist", ORGANS),
    ("organsmnist", ORGANS),
];
const ORGANS: &[&str] = &[
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
];

fn open(options: &Options) -> Result<Parts> {
    let path = path(options)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if !path.is_file() {
        return Err(Error::missing(
            path.display(),
            "no such file",
            format!(
                "download https://zenodo.org/records/10519652/files/{stem}.npz?download=1 to it, or say where it is with \
                 data.path=…"
            ),
        ));
    }
    let mut npz = Npz::open(&path, max_expansion(options)?)?;
    let mut found = Vec::new();
    for (part, prefix) in Part::ALL.into_iter().zip(["train", "val", "test"]) {
        let images = npz.array(&format!("{prefix}_images"))?;
        let labels = npz.array(&format!("{prefix}_labels"))?;
        let place = format!("{}: {prefix}", path.display());
        match (images, labels) {
            (Some(images), Some(labels)) => {
                let (channels, height, width) = picture(&images.shape, &place)?;
                let rows = images.shape[0];
                let labels = single(&labels.shape, labels.integers(), rows, &place)?;
                let bytes = images.into_bytes().ok_or_else(|| {
                    Error::invalid(&place, "expected images of unsigned bytes, got another type")
                })?;
                found.push((part, Images::Pixels { width, height, channels, bytes }, labels));
            }
            (None, None) => {}
            _ => return Err(Error::invalid(&place, "expected images and labels, got one without the other")),
        }
    }
    let Some(most) = found.iter().flat_map(|(_, _, labels)| labels).max().copied() else {
        let names = npz.names().join(", ");
        let problem = format!("expected arrays train_images, train_labels, val_… and test_…; got {names}");
        return Err(Error::invalid(path.display(), problem));
    };
    // `pathmnist_64` is `pathmnist` in another size.
    let flag = stem.split('_').next().unwrap_or_default();
    let classes = match CLASSES.iter().find(|(name, _)| *name == flag) {
        Some((_, names)) => names.iter().map(|name| (*name).to_string()).collect(),
        None => (0..=most).map(|label| label.to_string()).collect::<Vec<String>>(),
    };
    let mut parts = Parts::default();
    for (part, images, labels) in found {
        let id = |row: usize| format!("{}/{row}", part.name());
        let rows = labels
            .into_iter()
            .enumerate()
            .map(|(row, label)| Row { id: id(row), label, group: None })
            .collect();
        let place = format!("{}: {}", path.display(), part.name());
        let table: Arc<dyn Dataset> = Arc::new(Table::new(&place, classes.clone(), None, rows, images)?);
        *parts.slot(part) = Some(table);
    }
    Ok(parts)
}

fn path(options: &Options) -> Result<PathBuf> {
    if let Some(path) = options.path("path")? {
        return Ok(path);
    }
    let flag = options.text("flag")?.ok_or_else(|| {
        Error::option("flag", "expected the name of a set (pneumoniamnist) or data.path=…, got neither")
    })?;
    let root = options.path("root")?.unwrap_or_else(|| "data/medmnist".into());
    match options.integer("size")?.unwrap_or(28) {
        28 => Ok(root.join(format!("{flag}.npz"))),
        size @ (64 | 128 | 224) => Ok(root.join(format!("{flag}_{size}.npz"))),
        size => Err(Error::option("size", format!("expected 28, 64, 128 or 224, got {size}"))),
    }
}

/// (channels, height, width) of images (N, H, W) or (N, H, W, 3).
fn picture(shape: &[usize], place: &str) -> Result<(usize, u32, u32)> {
    match *shape {
        [_, height, width] => Ok((1, height as u32, width as u32)),
        [_, height, width, 3] => Ok((3, height as u32, width as u32)),
        [_, _, _, _] => {
            Err(Error::invalid(place, format!("expected 2-D images, got volumes {shape:?} – use a 2-D set")))
        }
        _ => Err(Error::invalid(place, format!("expected images (N, H, W) or (N, H, W, 3), got {shape:?}"))),
    }
}

/// Labels (N, 1) or (N).
fn single(shape: &[usize], labels: Option<Vec<i64>>, rows: usize, place: &str) -> Result<Vec<u32>> {
    match *shape {
        [n] | [n, 1] if n == rows => {}
        [n, several] if n == rows => {
            let problem = format!("expected one label for each image, got {several}: the set is multi-label");
            return Err(Error::invalid(place, problem));
        }
        _ => return Err(Error::invalid(place, format!("expected labels ({rows}, 1), got {shape:?}"))),
    }
    let labels = labels.ok_or_else(|| Error::invalid(place, "expected labels of whole numbers"))?;
    let label = |label: i64| {
        let fits = u32::try_from(label).ok().filter(|&label| label < 10_000);
        fits.ok_or_else(|| Error::invalid(place, format!("expected labels from 0, got {label}")))
    };
    labels.into_iter().map(label).collect()
}

#[cfg(test)]
mod tests;

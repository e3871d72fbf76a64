//! What other tools call the keys of a split: suggested, never accepted.

use crate::Elsewhere;

/// Words of scikit-learn, fastai, Keras and Ultralytics, and what to write in their place.
pub const ELSEWHERE: &Elsewhere = &[
    (
        &[
            "val",
            "valid",
            "val_split",
            "validation_split",
            "val_size",
            "valid_pct",
            "valid_size",
            "ratio",
            "fraction",
            "share",
        ],
        "`data: { split: { validation: 0.15 } }`",
    ),
    (
        &["n_splits", "n_folds", "num_folds", "k", "kfold", "k_folds", "cv"],
        "`data: { split: { folds: 5, fold: 0 } }`",
    ),
    (
        &["groups", "group_by", "by", "patient", "patient_id", "group_column"],
        "`group`: `data: { split: { validation: 0.15, group: { path: 'person(\\d+)_' } } }`",
    ),
    (
        &["stratify", "stratify_by"],
        "`data: { split: { validation: 0.15, stratified: true } }`, which is the default",
    ),
    (&["csv", "path", "split_file", "splits_file"], "`data: { split: { file: split.csv } }`"),
    (
        &["train", "train_size", "train_split", "training"],
        "nothing; what does not validate is trained on: `data: { split: { validation: 0.15 } }`",
    ),
    (
        &["test", "test_size", "test_split"],
        "nothing; images for a test are the source's own part, or those that a file calls `test`: `data: { split: { file: split.csv } }`",
    ),
    (
        &["seed", "random_state", "random_seed", "shuffle"],
        "nothing; a division is drawn once and stays the same over seeds; another one is another fold: `data: { split: { folds: 5, fold: 1 } }`",
    ),
];

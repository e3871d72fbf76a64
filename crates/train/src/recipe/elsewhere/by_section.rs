//! Words that mean something of their own below one key: `gamma` of a loss is not that of a schedule.

use tallow_data::Elsewhere;

/// Sections, by the beginning of their paths, the innermost first; words of other tools there, and what to write in their place.
pub const BY_SECTION: &[(&str, &Elsewhere)] = &[
    ("schedule.one_cycle", ONE_CYCLE),
    ("schedule", SCHEDULE),
    ("optimizer", OPTIMIZER),
    ("loss", LOSS),
    ("ema", EMA),
    ("early_stop", EARLY_STOP),
    ("model.freeze", FREEZE),
    ("model", MODEL),
    ("data", DATA),
];

const ONE_CYCLE: &Elsewhere = &[
    (
        &["warmup", "warmup_epochs", "warmup_steps", "pct_start"],
        "`rise`: `schedule: { one_cycle: { lr: 0.1, rise: 0.3 } }`",
    ),
    (
        &["max_momentum", "base_momentum", "cycle_momentum", "moms"],
        "`schedule: { one_cycle: { lr: 0.1, momentum: [0.85, 0.95] } }`, or false",
    ),
    (&["anneal_strategy"], "`schedule: { one_cycle: { lr: 0.1, anneal: linear } }`"),
];

const SCHEDULE: &Elsewhere = &[
    (
        &["name", "type", "kind", "policy", "scheduler", "class_path"],
        "its name as a key: `schedule: { cosine: { lr: 0.01 } }`",
    ),
    (
        &["gamma", "decay", "decay_factor"],
        "`factor` of step, multistep or plateau: `schedule: { step: { lr: 0.1, every: 10 epochs, factor: 0.1 } }`",
    ),
    (
        &["epochs", "num_epochs", "max_epochs", "total_steps", "steps_per_epoch", "max_iters", "t_max"],
        "nothing; a schedule spans the run, whose length is `length: 30 epochs`",
    ),
    (
        &[
            "cycles",
            "num_cycles",
            "restarts",
            "t_mult",
            "cosine_with_restarts",
            "cosine_restarts",
            "cosine_annealing_warm_restarts",
            "sgdr",
        ],
        "nothing; there are no restarts: `schedule: { cosine: { lr: 0.01 } }`",
    ),
    (
        &["exponential", "exponential_lr", "exp"],
        "the same by steps: `schedule: { step: { lr: 0.1, every: 1 epochs, factor: 0.95 } }`",
    ),
    (
        &[
            "linear",
            "linear_lr",
            "poly",
            "polynomial",
            "polynomial_lr",
            "poly_lr",
            "inverse_sqrt",
            "lambda",
            "lambda_lr",
        ],
        "nothing like it; the nearest is `schedule: { cosine: { lr: 0.01 } }`",
    ),
    (&["constant", "fixed", "flat", "none", "constant_lr"], "`schedule: { constant: { lr: 0.01 } }`"),
    (&["step"], "`schedule: { step: { lr: 0.1, every: 10 epochs } }`"),
    (&["multistep"], "`schedule: { multistep: { lr: 0.1, at: [ 0.5, 0.75 ] } }`"),
    (&["one_cycle"], "`schedule: { one_cycle: { lr: 0.1 } }`"),
    (&["plateau"], "`schedule: { plateau: { lr: 0.01 } }`"),
    (
        &[
            "warmup_lr",
            "warmup_lr_init",
            "warmup_start_lr",
            "start_factor",
            "warmup_factor",
            "warmup_bias_lr",
        ],
        "nothing; a warm-up rises from lr over its steps: `schedule: { cosine: { lr: 0.01, warmup: 5 epochs } }`",
    ),
    (
        &["interval", "frequency", "last_epoch", "by_epoch", "convert_to_iter_based"],
        "nothing; the learning rate is that of each step",
    ),
];

const OPTIMIZER: &Elsewhere = &[
    (&["adam"], "`optimizer: { adam: { decay: 1e-4 } }`"),
    (&["adamw", "adam_w"], "`optimizer: { adamw: { decay: 0.05 } }`"),
    (
        &["name", "type", "kind", "optim", "opt", "class_path", "algorithm"],
        "its name as a key: `optimizer: { sgd: { momentum: 0.9 } }`",
    ),
    (&["betas", "beta"], "`optimizer: { adamw: { beta1: 0.9, beta2: 0.999 } }`"),
    (
        &[
            "rmsprop",
            "adagrad",
            "adadelta",
            "nadam",
            "radam",
            "lamb",
            "lars",
            "lion",
            "adafactor",
            "ranger",
            "adan",
            "muon",
        ],
        "one of sgd, adam and adamw, such as `optimizer: { adamw: { decay: 0.05 } }`",
    ),
    (
        &["amsgrad", "dampening", "maximize", "foreach", "fused", "capturable", "differentiable"],
        "nothing; there is no such choice here",
    ),
    (
        &[
            "no_weight_decay",
            "norm_decay",
            "bias_decay",
            "no_bias_decay",
            "filter_bias_and_bn",
            "bypass_bn_weight_decay",
        ],
        "`decay_on`: `optimizer: { sgd: { decay: 5e-4, decay_on: weights } }`, which is the default, or `all`",
    ),
    (&["ema", "ema_decay"], "`ema: { decay: 0.999 }`"),
];

const LOSS: &Elsewhere = &[
    (&["gamma", "focal_gamma", "focal_loss"], "the γ of the focal loss: `loss: { focal: 2.0 }`"),
    (
        &["alpha", "weight", "weights", "class_weight", "pos_weight", "balance"],
        "`loss: { class_weights: balanced }`, or a number for each class",
    ),
    (
        &["name", "type", "kind", "function", "class_path", "criterion"],
        "nothing; the loss is soft cross-entropy, whose changes are keys: `loss: { focal: 2.0 }`, `loss: { smoothing: 0.1 }`",
    ),
    (
        &[
            "cross_entropy",
            "cross_entropy_loss",
            "crossentropy",
            "ce",
            "categorical_crossentropy",
            "soft_target_cross_entropy",
            "nll",
        ],
        "nothing, as it is the loss of all runs; smoothed it is `loss: { smoothing: 0.1 }`",
    ),
    (&["label_smoothing_cross_entropy", "epsilon", "eps"], "`loss: { smoothing: 0.1 }`"),
    (
        &[
            "bce",
            "bce_loss",
            "bce_with_logits",
            "binary_crossentropy",
            "asymmetric",
            "poly_loss",
            "dice",
            "mse",
            "hinge",
        ],
        "soft cross-entropy or the focal loss: `loss: { focal: 2.0 }`",
    ),
    (
        &["reduction", "ignore_index", "from_logits", "loss_weight", "use_sigmoid"],
        "nothing; the loss is the mean over the rows",
    ),
];

const EMA: &Elsewhere = &[
    (
        &["momentum", "beta", "alpha", "rate", "factor", "ema_decay", "model_ema_decay", "smoothing"],
        "`ema: { decay: 0.999 }`",
    ),
    (
        &["enabled", "use", "use_ema", "model_ema"],
        "nothing; where `ema` is written there is one: `ema: { decay: 0.999 }`",
    ),
    (
        &["warmup_steps", "warmup_epochs", "use_warmup", "model_ema_warmup", "tau", "begin", "start"],
        "`ema: { decay: 0.999, warmup: true }`, which is the default",
    ),
    (&["every", "update_every", "interval", "steps"], "nothing; the average follows every update"),
];

const EARLY_STOP: &Elsewhere = &[
    (
        &["min_delta", "delta", "threshold", "tolerance"],
        "nothing; any better `select` counts: `early_stop: { patience: 10 }`",
    ),
    (
        &["monitor", "metric", "mode", "better"],
        "`select` at the root of the recipe, which knows what is better: `select: macro_f1` (`tallow list metrics`)",
    ),
    (&["epochs", "rounds", "wait", "n_epochs"], "`early_stop: { patience: 10 }`"),
    (
        &["restore_best_weights", "restore_best", "save_best"],
        "nothing; the best epoch is kept in best/ in any case",
    ),
    (&["enabled"], "nothing; where `early_stop` is written there is one: `early_stop: { patience: 10 }`"),
];

const FREEZE: &Elsewhere = &[
    (
        &["epochs", "freeze_epochs", "steps", "for", "unfreeze_at", "unfreeze_epoch", "duration"],
        "`until`: `model: { freeze: { until: 3 epochs } }`",
    ),
    (
        &["layers", "modules", "blocks", "params", "freeze_layers", "names", "backbone"],
        "`stages`: `model: { freeze: { stages: [ stem, stage1 ], until: 3 epochs } }`",
    ),
];

const MODEL: &Elsewhere = &[
    (&["type", "model", "variant", "depth", "layers", "class_path"], "`model: { name: resnet18 }`"),
    (
        &["head", "classifier", "fc", "neck", "hidden", "num_features", "pooling", "global_pool"],
        "nothing; the head is one linear layer, with an output for each class of the data",
    ),
    (&["ema"], "`ema: { decay: 0.999 }`, at the root of the recipe"),
    (
        &["trainable", "requires_grad", "frozen"],
        "`model: { freeze: true }` (all but the head), or a list of stages",
    ),
    (
        &["norm", "normalization", "preprocess"],
        "`model: { mean: […], std: […] }`, which are the weights' own when left out",
    ),
];

const DATA: &Elsewhere = &[
    (
        &["type", "format", "source", "dataset_type", "kind"],
        "`name`: `data: { name: folder, root: images, batch: 32 }`",
    ),
    (
        &["dir", "directory", "image_dir", "images_dir", "img_dir", "data_prefix"],
        "`root`: `data: { name: folder, root: images, batch: 32 }`",
    ),
    (
        &["labels", "label_file", "labels_file", "csv", "csv_file", "annotations", "ann_file", "df"],
        "`file`: `data: { name: csv, file: labels.csv, batch: 32 }`",
    ),
    (
        &["classes", "class_names", "categories"],
        "nothing; the classes are those of the data; `only` and `drop` choose among them",
    ),
    (
        &["prefetch", "cache", "cache_images", "buffer_size", "shuffle_buffer", "num_parallel_calls"],
        "nothing; images are read ahead by `workers`: `data: { workers: 4 }`",
    ),
    (
        &["limit", "subset", "max_samples", "num_samples", "n_samples", "limit_train_batches"],
        "nothing; every image is used; for a short try there is `length: 50 steps`",
    ),
    (
        &["test_split", "test_size", "test_dir", "test"],
        "nothing; a test part is the source's own, or what a file calls `test`: `data: { split: { file: split.csv } }`",
    ),
    (&["seed", "random_state"], "`seed: 1`, at the root of the recipe"),
    (
        &["balance", "balanced", "weights", "class_weights"],
        "`data: { sampler: balanced }`, or `loss: { class_weights: balanced }`",
    ),
];

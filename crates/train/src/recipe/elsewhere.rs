//! What other tools call the keys of a recipe: suggested, never accepted.

mod by_section;

pub use by_section::BY_SECTION;
use tallow_data::Elsewhere;

/// Words of PyTorch, timm, MONAI, fastai, Keras, Lightning, MMPretrain and Ultralytics, and what to write in their place.
pub const ELSEWHERE: &Elsewhere = &[
    (
        &["lr", "learning_rate", "base_lr", "max_lr", "lr0", "lr_max", "rate"],
        "the learning rate of a schedule: `schedule: { cosine: { lr: 0.01 } }`",
    ),
    (
        &["epochs", "epoch", "num_epochs", "n_epochs", "n_epoch", "max_epochs", "total_epochs", "max_epoch"],
        "`length: 30 epochs`",
    ),
    (&["steps", "max_steps", "iterations", "max_iters", "num_steps", "total_steps"], "`length: 500 steps`"),
    (
        &["batch_size", "bs", "train_batch_size", "samples_per_gpu", "batch", "minibatch", "batchsize"],
        "`data: { batch: 32 }`",
    ),
    (
        &[
            "pretrained",
            "checkpoint",
            "ckpt",
            "init_weights",
            "load_from",
            "weights_path",
            "finetune",
            "fine_tune",
            "init_cfg",
            "initial_checkpoint",
            "weights",
        ],
        "`model: { name: resnet18, weights: imagenet }`, or weights: hub:owner/name, or a path",
    ),
    (
        &[
            "augment",
            "augmentation",
            "augmentations",
            "aug",
            "transform",
            "transforms",
            "train_transforms",
            "train_transform",
            "item_tfms",
            "batch_tfms",
            "tfms",
            "pipeline",
            "train_pipeline",
            "auto_augment",
        ],
        "`images: [ { random_resized_crop: {} }, { flip: {} } ]`",
    ),
    (
        &[
            "val_transforms",
            "val_transform",
            "test_transforms",
            "test_transform",
            "eval_transform",
            "valid_transforms",
            "test_pipeline",
        ],
        "`evaluation: [ { resize: 256 }, { center_crop: 224 } ]`",
    ),
    (&["tta", "test_time_augmentation", "n_crops", "ten_crop", "five_crop"], "`evaluation_crops: 9`"),
    (
        &["num_classes", "n_classes", "nb_classes", "nc", "n_out", "num_labels", "class_names"],
        "nothing; the classes are those of the data; `data: { only: [ … ] }` and `drop` choose among them",
    ),
    (
        &["workers", "num_workers", "n_workers", "threads", "num_threads", "nw", "workers_per_gpu"],
        "`data: { workers: 4 }`",
    ),
    (
        &["normalize", "normalise", "normalization", "img_norm_cfg", "data_preprocessor"],
        "`model: { mean: […], std: […] }`, which are the weights' own when left out",
    ),
    (
        &["scheduler", "lr_scheduler", "sched", "lr_schedule", "param_scheduler", "lr_config"],
        "`schedule: { cosine: { lr: 0.01 } }`",
    ),
    (
        &["weight_decay", "wd", "l2", "decay"],
        "weight decay of the optimizer: `optimizer: { sgd: { decay: 5e-4 } }`",
    ),
    (
        &["momentum", "nesterov", "betas"],
        "`optimizer: { sgd: { momentum: 0.9 } }`, or beta1 and beta2 of adam and adamw",
    ),
    (&["opt", "opt_func", "solver", "optim", "optim_wrapper"], "`optimizer: { adamw: {} }`"),
    (&["label_smoothing", "smoothing", "label_smooth"], "`loss: { smoothing: 0.1 }`"),
    (
        &["cutmix", "cutmix_alpha", "cutmix_prob"],
        "`policy: cutmix` (`tallow list presets`), or `branches: [ { policies: [ { cutmix: { alpha: 1.0 } } ] } ]`",
    ),
    (
        &["mixup", "mixup_alpha", "mix", "batch_augments", "mixup_prob", "mixmethod"],
        "`policy: mixup` (`tallow list presets`), or `branches: [ { policies: [ { mixup: { alpha: 0.2 } } ] } ]`",
    ),
    (
        &["criterion", "loss_fn", "loss_func", "objective", "loss_function"],
        "`loss: { smoothing: 0.1 }` or `{ focal: 2 }`",
    ),
    (&["patience", "early_stopping", "early_stopping_patience"], "`early_stop: { patience: 10 }`"),
    (
        &[
            "val_split",
            "validation_split",
            "val_size",
            "valid_pct",
            "test_size",
            "val_pct",
            "val_fraction",
            "valid_size",
        ],
        "`data: { split: { validation: 0.15 } }`",
    ),
    (
        &["kfold", "n_splits", "k_fold", "num_folds", "cv", "cross_validation", "fold"],
        "`folds: 5` at the root of the recipe; one fold alone is `data: { split: { folds: 5, fold: 0 } }`",
    ),
    (
        &["groups", "group_column", "patient_id", "patient_column", "group"],
        "`data: { split: { validation: 0.15, group: … } }`",
    ),
    (
        &[
            "dataset",
            "data_dir",
            "data_path",
            "dataset_dir",
            "train_dir",
            "data_root",
            "root",
            "path",
            "train",
            "folder",
        ],
        "`data: { name: folder, root: images, batch: 32 }` (`tallow new images` writes it)",
    ),
    (
        &["arch", "architecture", "backbone", "net", "network", "model_name", "encoder", "model_type"],
        "`model: { name: resnet18 }`",
    ),
    (
        &[
            "img_size",
            "image_size",
            "input_size",
            "imgsz",
            "resolution",
            "image_shape",
            "input_shape",
            "roi_size",
            "size",
        ],
        "`model: { input: 224 }`",
    ),
    (&["in_chans", "in_channels", "channels", "num_channels"], "nothing; every image is read as RGB"),
    (
        &["drop_path", "drop_path_rate", "dropout", "drop_rate", "drop"],
        "nothing; a model has the rates that it was published with",
    ),
    (
        &["amp", "fp16", "bf16", "mixed_precision", "precision", "autocast", "half", "to_fp16"],
        "nothing; training is in f32",
    ),
    (
        &["class_weight", "class_weights", "pos_weight", "weight", "balance"],
        "`loss: { class_weights: balanced }`, or `data: { sampler: balanced }`",
    ),
    (
        &[
            "weighted_sampler",
            "class_balanced",
            "oversample",
            "oversampling",
            "balanced_sampler",
            "weighted_random_sampler",
        ],
        "`data: { sampler: balanced }`",
    ),
    (&["shuffle"], "`data: { sampler: shuffled }`, which is the default, or `sequential`"),
    (
        &[
            "gradient_clip",
            "grad_clip",
            "clip_grad",
            "max_grad_norm",
            "gradient_clip_val",
            "clip_norm",
            "clipnorm",
            "clip_grad_norm",
        ],
        "`clip: 1.0`",
    ),
    (
        &[
            "grad_accum",
            "accum",
            "accum_iter",
            "accumulate_grad_batches",
            "gradient_accumulation_steps",
            "accumulation_steps",
            "grad_accum_steps",
            "gradient_accumulation",
        ],
        "`accumulate: 4`",
    ),
    (&["model_ema", "ema_decay", "use_ema", "model_ema_decay"], "`ema: { decay: 0.999 }`"),
    (
        &[
            "monitor",
            "metric",
            "metrics",
            "save_best",
            "best_metric",
            "eval_metric",
            "checkpoint_metric",
            "mode",
        ],
        "`select: macro_f1` (`tallow list metrics`)",
    ),
    (
        &["random_state", "random_seed", "manual_seed", "deterministic"],
        "`seed: 1`: every run can be made again to the bit",
    ),
    (
        &["gpu", "gpus", "cuda", "accelerator", "use_cuda", "no_cuda", "devices", "num_gpus"],
        "`device: cuda`, or `auto`",
    ),
    (
        &[
            "output_dir",
            "out_dir",
            "save_dir",
            "output",
            "out",
            "log_dir",
            "logdir",
            "workdir",
            "work_dir",
            "project",
            "experiment_dir",
        ],
        "`train RECIPE --out DIR`, on the command line",
    ),
    (&["resume", "resume_from", "auto_resume", "continue"], "`train RECIPE --resume`, on the command line"),
    (
        &["min_lr", "eta_min", "end_lr", "final_lr", "lr_min", "lrf"],
        "`floor` below cosine or plateau: `schedule: { cosine: { lr: 0.01, floor: 1e-5 } }`",
    ),
    (
        &[
            "warmup",
            "warmup_epochs",
            "warmup_steps",
            "warmup_iters",
            "num_warmup_steps",
            "warmup_ratio",
            "warmup_lr",
        ],
        "`schedule: { cosine: { lr: 0.01, warmup: 5 epochs } }`; one_cycle has `rise`",
    ),
    (
        &["decay_rate", "lr_gamma", "drop_factor"],
        "`factor`: `schedule: { step: { lr: 0.1, every: 10 epochs, factor: 0.1 } }`",
    ),
    (
        &["step_size", "decay_epochs", "lr_step"],
        "`every`: `schedule: { step: { lr: 0.1, every: 10 epochs } }`",
    ),
    (
        &["milestones", "decay_milestones", "lr_steps"],
        "`at`: `schedule: { multistep: { lr: 0.1, at: [ 0.5, 0.75 ] } }`",
    ),
    (
        &["t_max", "cycle_epochs", "t_0", "cosine_epochs"],
        "nothing; a cosine spans the run, whose length is `length`",
    ),
    (&["pct_start"], "`rise`: `schedule: { one_cycle: { lr: 0.1, rise: 0.3 } }`"),
    (&["div_factor", "div"], "`start_divisor`"),
    (&["final_div_factor", "div_final"], "`final_divisor`"),
    (
        &["reduce_on_plateau", "reduce_lr_on_plateau", "reducelronplateau", "plateau_lr"],
        "`schedule: { plateau: { lr: 0.01 } }`",
    ),
    (
        &["cosine_annealing", "cosine_annealing_lr", "cosineannealinglr", "cos"],
        "`schedule: { cosine: { lr: 0.01 } }`",
    ),
    (&["onecycle", "fit_one_cycle", "onecyclelr", "one_cycle_lr"], "`schedule: { one_cycle: { lr: 0.01 } }`"),
    (&["steplr", "step_lr"], "`schedule: { step: { lr: 0.1, every: 10 epochs } }`"),
    (
        &["multisteplr", "multi_step", "multistep_lr"],
        "`schedule: { multistep: { lr: 0.1, at: [ 0.5, 0.75 ] } }`",
    ),
    (
        &[
            "freeze",
            "freeze_layers",
            "freeze_backbone",
            "frozen_stages",
            "unfreeze",
            "freeze_to",
            "freeze_epochs",
            "layers_to_freeze",
            "fine_tune_layers",
            "freeze_encoder",
        ],
        "`model: { freeze: true }` (all but the head), a list of stages, or `{ until: 3 epochs, gradual: true }`",
    ),
    (
        &["head_lr", "lr_mult", "classifier_lr", "backbone_lr", "layer_decay"],
        "`head_lr_scale` of the optimizer: `optimizer: { sgd: { head_lr_scale: 10 } }`",
    ),
    (
        &[
            "pin_memory",
            "persistent_workers",
            "prefetch_factor",
            "non_blocking",
            "compile",
            "channels_last",
            "log_interval",
            "print_freq",
            "benchmark",
            "verbose",
            "log_every_n_steps",
            "save_freq",
            "cudnn_benchmark",
        ],
        "nothing; there is no such choice here",
    ),
    (
        &["tensorboard", "wandb", "mlflow", "comet", "log", "logger", "logging", "csv_logger"],
        "nothing; every run writes metrics.jsonl, summary.csv and event files that TensorBoard reads",
    ),
    (
        &["name", "experiment", "experiment_name", "run_name", "title", "exp_name"],
        "`train RECIPE --out DIR`, on the command line; the run bears the recipe's name",
    ),
    (
        &[
            "trainer",
            "training",
            "train_cfg",
            "solver",
            "callbacks",
            "hooks",
            "default_hooks",
            "hyperparameters",
        ],
        "nothing; the keys stand at the root of the recipe, such as `length: 30 epochs` and `early_stop: { patience: 10 }`",
    ),
    (
        &[
            "eval_every",
            "eval_interval",
            "val_interval",
            "val_every",
            "test_every",
            "save_every",
            "save_interval",
            "check_val_every_n_epoch",
            "checkpoint_interval",
        ],
        "nothing; the validation part is looked at after each epoch, and the last and the best one are saved",
    ),
    (
        &["n_seeds", "num_seeds", "repeats", "n_repeats", "trials", "n_trials", "sweep", "grid"],
        "`seeds: 3`; several values are tried by `tallow sweep RECIPE policy=none,mixup --seeds 3`",
    ),
    (&["focal", "focal_loss", "focal_gamma"], "`loss: { focal: 2.0 }`"),
    (
        &["test", "test_dir", "val_dir", "valid", "val", "validation"],
        "the parts as folders train, val and test below `data: { root: … }`, or `data: { split: { validation: 0.15 } }`",
    ),
];

/// What to write in the place of a word that is no key of any section.
pub fn elsewhere(word: &str) -> Option<&'static str> {
    tallow_data::elsewhere(word, ELSEWHERE)
}

/// The same of a word in the section of this path, where it may mean something else than in others: first what it means there.
pub fn elsewhere_below(path: &str, word: &str) -> Option<&'static str> {
    let holds = |section: &str| {
        path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let own = BY_SECTION.iter().filter(|(section, _)| holds(section));
    own.filter_map(|(_, table)| tallow_data::elsewhere(word, table)).next().or_else(|| elsewhere(word))
}

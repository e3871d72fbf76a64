//! Every key of a recipe: what it means, its default, what it may be, an example. The readers of the sections take these keys and no
//! others, defaults are filled in from here, and `tallow list recipe` shows it. A table: one line for each key.

use super::reference::{Key, Section};

/// A key that must be written.
pub const REQUIRED: &str = "required";

const fn key(
    name: &'static str,
    default: &'static str,
    range: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    Key { name, default, range, meaning, example }
}

/// In the order in which people write them.
#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    Section {
        path: "",
        summary: "the recipe itself",
        keys: &[
            key("extends", "", "a path, relative to the recipe", "another recipe, whose keys hold where this one does not write them", "extends: quickstart.yaml"),
            key("data", REQUIRED, "see `data`", "the images, how they are divided and read", "data: { name: synthetic, batch: 64 }"),
            key("model", REQUIRED, "see `model`", "the network and its weights", "model: { name: resnet18 }"),
            key("images", "[ { random_resized_crop: { scale: [0.5, 1.0] } }, { flip: {} } ]", "a list of image policies (`tallow list policies`)", "what happens to each training image; it ends at the model's input size", "images: [ { random_resized_crop: {} }, { flip: {} }, { rotate: { degrees: 15 } } ]"),
            key("evaluation", "", "a list of image policies that draw nothing; left out: as the config.json of the weights says, else the model's own resize and centre crop", "what happens to each image that is evaluated", "evaluation: [ { resize: 256 }, { center_crop: 224 } ]"),
            key("evaluation_crops", "", "a square number up to 1024, such as 9", "so many ordered crops in place of the center_crop that ends `evaluation`, their probabilities averaged", "evaluation_crops: 9"),
            key("policy", "none", "a preset (`tallow list presets`)", "the preset that mixes samples", "policy: cutmix_zeta_mixup"),
            key("branches", "", "a list of `{ view, policies, weight }`; stands in the place of `policy`", "forward passes, each with its policies and its weight in the loss", "branches: [ { policies: [ { cutmix: {} }, { zeta_mixup: {} } ] } ]"),
            key("optimizer", REQUIRED, "one of `sgd`, `adam`, `adamw`", "what a step does with the gradients", "optimizer: { sgd: { momentum: 0.9, nesterov: true, decay: 5e-4 } }"),
            key("schedule", "", "one of `constant`, `step`, `multistep`, `cosine`, `one_cycle`, `plateau`; left out: cosine with a warm-up of 5 % of the run, whose lr is 0.05 of sgd and 0.001 of adam and adamw, from weights 0.01 and 0.0002", "the learning rate of every step", "schedule: { cosine: { lr: 0.01, warmup: 1 epochs } }"),
            key("length", REQUIRED, "`30 epochs`, `500 steps` or `100000 images`", "how long the run is", "length: 30 epochs"),
            key("loss", "{}", "see `loss`", "soft cross-entropy, and what is changed of it", "loss: { smoothing: 0.1 }"),
            key("clip", "", "above 0", "the global norm to which gradients are scaled down where theirs is greater", "clip: 1.0"),
            key("accumulate", "1", "a whole number, 1 or more", "so many micro-batches make the batch of one update: less memory, the same gradient but for batch norm", "accumulate: 4"),
            key("shards", "", "a whole number, 1 or more; left out: 1, and under `mpirun` 4, or where there are more ranks the next power of two", "so many parts of a batch that are walked at the same time, by threads or by the ranks of `mpirun`; any number of ranks up to it trains the same weights, to the bit", "shards: 8"),
            key("mix_within", "batch", "`batch` or `shard`", "among which rows a row has partners: all of the batch, or those of its shard, which then need not travel between machines", "mix_within: shard"),
            key("sync_batch_norm", "true", "true or false", "whether batch norm takes its statistics over all shards, or over each, and keeps those of the first", "sync_batch_norm: false"),
            key("ema", "", "see `ema`", "an exponential moving average of the weights, which is what is evaluated and saved", "ema: { decay: 0.999 }"),
            key("select", "macro_f1", "a metric (`tallow list metrics`)", "what the best epoch is best in, on the validation part", "select: balanced_accuracy"),
            key("early_stop", "", "see `early_stop`", "ends the run where `select` gets no better", "early_stop: { patience: 10 }"),
            key("checkpoint", "{}", "see `checkpoint`", "how often `last` is written, and which checkpoints stay", "checkpoint: { every: 10 minutes, keep: 3 }"),
            key("seed", "1", "a whole number, 0 or more", "every random number of the run but for the split and drawn data, which stay the same over seeds", "seed: 2"),
            key("seeds", "", "a number of seeds, or a list of them in place of `seed`", "so many runs, with the seeds from `seed` on, or with these: by `train` as by `tallow sweep`; what else looks at the recipe looks at its first run", "seeds: 3"),
            key("folds", "", "a whole number from 2 to 10000", "cross-validation: so many runs, in each of which another part of the training images validates; they are divided as `data.split` says", "folds: 5"),
            key("device", "auto", "`auto`, `cpu`, `cuda`, `cuda:1`, `metal`", "where to compute; auto takes a GPU that this build can use", "device: cpu"),
            key("precision", "f32", "`f32`, `tf32`, `bf16`", "the arithmetic of layers on CUDA: strict; with convolutions by cuDNN whose operands are rounded to 10 bits of mantissa for tensor cores; with values and products in bf16, while parameters, statistics, losses and updates stay f32", "precision: bf16"),
        ],
    },
    Section {
        path: "data",
        summary: "the images; beside these keys stand those of the dataset, which `tallow list datasets NAME` shows",
        keys: &[
            key("name", REQUIRED, "a dataset (`tallow list datasets`)", "the kind of source", "data: { name: folder, root: images, batch: 32, split: { validation: 0.15 } }"),
            key("split", "", "see `data.split`; left out: the source's own parts", "which training images validate", "data: { split: { validation: 0.15 } }"),
            key("batch", REQUIRED, "from 1 to 1000000", "images of one update", "data: { batch: 32 }"),
            key("sampler", "shuffled", "`shuffled`, `sequential`, `balanced`, `no_singletons`, `{ weighted: { MEL: 4 } }`, `{ weighted: [ 1, 4, … ] }`", "which images make an epoch: each once in random order; as stored; the same number of each class; each once, and for each class that would be alone in a batch one more of its images; drawn by the weight of their class", "data: { sampler: balanced }"),
            key("drop_last", "false", "true or false", "whether the last partial batch of an epoch is left out", "data: { drop_last: true }"),
            key("workers", "", "a whole number, 0 or more; left out: as many as the machine has processors", "threads that read images; they move no bit of the result", "data: { workers: 4 }"),
            key("broken", "refuse", "`refuse` or `skip`", "what to do with images that cannot be decoded", "data: { broken: skip }"),
            key("max_pixels", "200000000", "a whole number from 1 to 1000000000", "pixels that an image may have: one of more is refused by its header, as `broken` says, so that no file can fill the memory", "data: { max_pixels: 500000000 }"),
            key("only", "[]", "a list of classes; empty: all", "the classes that are kept", "data: { only: [ melanoma, nevus ] }"),
            key("drop", "[]", "a list of classes", "the classes that are left out", "data: { drop: [ vascular_lesion ] }"),
            key("window", "", "`auto`, `{ min: 0, max: 4095 }`, `{ percentile: 0.5 }`", "of 16-bit pictures: the level that becomes black and the one that becomes white; needed where they use few of their levels", "data: { window: auto }"),
            key("copies", "refuse", "`refuse` or `drop`", "what to do with images that are the same to the byte in two parts or under two labels; `drop` keeps one of two parts in the last of them alone (test, else validation), leaves one of two labels out of training and validation, changes no test part, and notes what is left out", "data: { copies: drop }"),
            key("allow_leak", "false", "true or false", "whether the run goes on where a group or the same image is in two parts, or an image under two labels; recorded in the report and the card", "data: { allow_leak: true }"),
            key("exclude", "", "a path", "a CSV with the column image: images that are left out of every part, after the split; `tallow data check --fix` writes one", "data: { exclude: mine.exclude.csv }"),
        ],
    },
    Section {
        path: "data.split",
        summary: "one of `file`, `folds` with `fold`, and `validation`, the first of them that is written; `group` may stand alone",
        keys: &[
            key("validation", "", "above 0, below 1", "the share of the training images that validate", "data: { split: { validation: 0.15 } }"),
            key("folds", "", "a whole number from 2 to 10000", "cross-validation: the number of parts of the same size", "data: { split: { folds: 5, fold: 0 } }"),
            key("fold", "", "from 0, below `folds`; with `folds`", "the part that validates", "data: { split: { folds: 5, fold: 4 } }"),
            key("file", "", "a path", "a CSV with the columns image and split, which says `train`, `val` or `test` of each image", "data: { split: { file: split.csv } }"),
            key("group", "", "a name of the source's own groups, `{ path: REGEX }`, or `{ file: CSV, image: COLUMN, group: COLUMN }`", "images that stay on one side of the split: of one lesion, one patient", "data: { split: { validation: 0.15, group: { path: 'person(\\d+)_' } } }"),
            key("replace", "false", "true or false", "whether the rule stands in the place of a validation part that the source has; else that part is an error, so that no images lie unused unseen", "data: { split: { validation: 0.15, replace: true } }"),
            key("stratified", "true", "true or false", "whether each class has the same share on each side", "data: { split: { validation: 0.15, stratified: false } }"),
        ],
    },
    Section {
        path: "model",
        summary: "the network",
        keys: &[
            key("name", REQUIRED, "a model (`tallow list models`)", "the architecture", "model: { name: convnext_tiny }"),
            key("weights", "", "`imagenet` (those known to fit the model, from the hub), `hub:owner/name[@revision]`, or the path of a safetensors or PyTorch file, of a folder that holds one, or of a checkpoint; left out: initial values", "what training begins with; a head of other classes is made anew", "model: { name: resnet18, weights: imagenet }"),
            key("rename", "", "a map of prefixes; with `weights`", "what stands for whole parts of the names of a file's tensors, from their beginning, before they are matched", "model: { name: resnet20, weights: resnet20.th, rename: { linear: fc } }"),
            key("input", "", "a whole number; left out: the model's own", "the side of the square input, pixels", "model: { name: resnet18, input: 160 }"),
            key("stem", "", "`imagenet` or `cifar`; left out: the model's own", "of networks that have both: 7×7 with stride 2 and a pooling, or 3×3 for images of up to 64 px", "model: { name: resnet18, stem: cifar, input: 32 }"),
            key("mean", "", "three numbers; left out: those of the weights' config.json, else the model's", "what is subtracted of the channels, which are in 0 to 1", "model: { name: resnet18, mean: [0.485, 0.456, 0.406] }"),
            key("std", "", "three numbers above 0; left out as mean", "what the channels are divided by", "model: { name: resnet18, std: [0.229, 0.224, 0.225] }"),
            key("freeze", "[]", "`true` (all but the head), a stage, a list of stages, or `{ stages, until, gradual }`", "stages that are not trained, their batch norms on running statistics; `tallow list models NAME` has the stages", "model: { name: resnet18, freeze: [ stem, stage1 ] }"),
        ],
    },
    Section {
        path: "model.freeze",
        summary: "stages that are frozen for the beginning of the run",
        keys: &[
            key("stages", "true", "`true` (all but the head), a stage, or a list of stages", "the stages", "model: { name: resnet18, freeze: { stages: [ stem, stage1 ], until: 3 epochs } }"),
            key("until", REQUIRED, "a duration, such as `3 epochs` or `0.2` (of the run)", "when they begin to be trained", "model: { name: resnet18, freeze: { until: 2 epochs } }"),
            key("gradual", "false", "true or false", "whether they follow one after the other, the last one first, at even distances: of n stages the k-th from the end after k/n of `until`", "model: { name: resnet18, freeze: { until: 0.5, gradual: true } }"),
        ],
    },
    Section {
        path: "optimizer.sgd",
        summary: "torch's SGD: g ← g + decay·w; v ← momentum·v + g; w ← w − lr·v, with nesterov w ← w − lr·(g + momentum·v)",
        keys: &[
            key("momentum", "0.9", "from 0, below 1", "how much of the velocity stays", "optimizer: { sgd: { momentum: 0.95 } }"),
            key("nesterov", "false", "true or false", "whether the step looks ahead", "optimizer: { sgd: { nesterov: true } }"),
            key("decay", "0.0", "0 or more", "weight decay", "optimizer: { sgd: { decay: 5e-4 } }"),
            DECAY_ON,
            HEAD_LR_SCALE,
        ],
    },
    Section {
        path: "optimizer.adam",
        summary: "torch's Adam: the decay is part of the gradient, so that it is scaled as that is",
        keys: &[
            BETA1,
            BETA2,
            EPS,
            key("decay", "0.0", "0 or more", "weight decay, added to the gradient (L2)", "optimizer: { adam: { decay: 1e-4 } }"),
            DECAY_ON,
            HEAD_LR_SCALE,
        ],
    },
    Section {
        path: "optimizer.adamw",
        summary: "torch's AdamW: the decay acts on the weights alone, lr·decay·w",
        keys: &[
            BETA1,
            BETA2,
            EPS,
            key("decay", "0.01", "0 or more", "weight decay, apart from the gradient", "optimizer: { adamw: { decay: 0.05 } }"),
            DECAY_ON,
            HEAD_LR_SCALE,
        ],
    },
    Section { path: "schedule.constant", summary: "lr, after the warm-up", keys: &[LR, WARMUP] },
    Section {
        path: "schedule.step",
        summary: "lr·factor^⌊t / every⌋, t from the end of the warm-up",
        keys: &[
            LR,
            WARMUP,
            key("every", REQUIRED, "a duration", "from one step down to the next", "schedule: { step: { lr: 0.1, every: 10 epochs } }"),
            FACTOR,
        ],
    },
    Section {
        path: "schedule.multistep",
        summary: "lr·factor^(milestones that are past)",
        keys: &[
            LR,
            WARMUP,
            key("at", REQUIRED, "a list of durations in increasing order, from the end of the warm-up", "the milestones", "schedule: { multistep: { lr: 0.1, at: [ 0.5, 0.75 ] } }"),
            FACTOR,
        ],
    },
    Section {
        path: "schedule.cosine",
        summary: "floor + (lr − floor)·(1 + cos(π·t/T)) / 2 over the T steps after the warm-up",
        keys: &[
            LR,
            WARMUP,
            key("floor", "0.0", "0 or more", "the learning rate at the end", "schedule: { cosine: { lr: 0.1, floor: 0.0001 } }"),
        ],
    },
    Section {
        path: "schedule.one_cycle",
        summary: "torch's OneCycleLR: from lr / start_divisor up to lr, then down to lr / start_divisor / final_divisor",
        keys: &[
            LR,
            key("rise", "0.3", "above 0, below 1", "the share of the run in which it rises (torch's pct_start)", "schedule: { one_cycle: { lr: 0.1, rise: 0.2 } }"),
            key("start_divisor", "25.0", "above 0", "lr over the first learning rate (torch's div_factor)", "schedule: { one_cycle: { lr: 0.1, start_divisor: 10 } }"),
            key("final_divisor", "10000.0", "above 0", "the first learning rate over the last (torch's final_div_factor)", "schedule: { one_cycle: { lr: 0.1, final_divisor: 100 } }"),
            key("anneal", "cosine", "`cosine` or `linear`", "the form of both parts", "schedule: { one_cycle: { lr: 0.1, anneal: linear } }"),
            key("momentum", "[0.85, 0.95]", "[low, high], from 0, below 1; or false", "the momentum (Adam's beta1) cycles against the learning rate; false leaves the optimizer's", "schedule: { one_cycle: { lr: 0.1, momentum: false } }"),
        ],
    },
    Section {
        path: "schedule.plateau",
        summary: "torch's ReduceLROnPlateau on `select`: lr·factor^(times that it got no better)",
        keys: &[
            LR,
            WARMUP,
            key("factor", "0.1", "above 0, below 1", "of each step down", "schedule: { plateau: { lr: 0.1, factor: 0.5 } }"),
            key("patience", "10", "a whole number, 0 or more", "epochs without a better `select` that are borne; one more lowers the learning rate", "schedule: { plateau: { lr: 0.1, patience: 5 } }"),
            key("threshold", "0.0001", "0 or more", "by how much of its value `select` must be better to count as better", "schedule: { plateau: { lr: 0.1, threshold: 0.001 } }"),
            key("cooldown", "0", "a whole number, 0 or more", "epochs after a reduction that are not counted", "schedule: { plateau: { lr: 0.1, cooldown: 2 } }"),
            key("floor", "0.0", "0 or more", "the least learning rate", "schedule: { plateau: { lr: 0.1, floor: 1e-5 } }"),
        ],
    },
    Section {
        path: "loss",
        summary: "soft cross-entropy −Σ y_c log p_c, averaged over the rows",
        keys: &[
            key("smoothing", "0.0", "from 0, below 1", "label smoothing ε: targets become (1 − ε)·y + ε / classes", "loss: { smoothing: 0.1 }"),
            key("class_weights", "none", "`none`, `balanced` (images / (classes · images of the class)), a map of classes (others 1), or a list of one number per class; a weight is 0, or from 0.000001 to 1000000", "a factor of each class's term", "loss: { class_weights: balanced }"),
            key("focal", "", "γ, 0 or more", "focal loss: each term times (1 − p_c)^γ, so that what is known well counts little", "loss: { focal: 2.0 }"),
        ],
    },
    Section {
        path: "ema",
        summary: "average ← d·average + (1 − d)·weights after each update",
        keys: &[
            key("decay", REQUIRED, "from 0, below 1", "d", "ema: { decay: 0.9999 }"),
            key("warmup", "true", "true or false", "whether d begins small: min(decay, (1 + n) / (10 + n)) at update n", "ema: { decay: 0.999, warmup: false }"),
        ],
    },
    Section {
        path: "early_stop",
        summary: "ends the run before its length",
        keys: &[key("patience", REQUIRED, "a whole number, 1 or more", "epochs without a better `select` after which training stops", "early_stop: { patience: 10 }")],
    },
    Section {
        path: "checkpoint",
        summary: "`last` is written at the end of each epoch and where a run is asked to stop, `best` where `select` is better than ever",
        keys: &[
            key("every", "", "a number of steps or of minutes, such as `500 steps` or `10 minutes`; left out: at the end of each epoch alone", "how often `last` is written within an epoch; it moves no bit of the result", "checkpoint: { every: 500 steps }"),
            key("keep", "1", "a whole number from 1 to 10000", "so many of the last checkpoints stay: `last`, and those before it as `step_<n>`", "checkpoint: { keep: 3 }"),
            key("best", "1", "a whole number from 1 to 10000", "so many of the best checkpoints by `select` stay: `best`, and the next ones as `best_epoch_<n>`", "checkpoint: { best: 3 }"),
        ],
    },
];

#[rustfmt::skip]
const LR: Key = key("lr", REQUIRED, "above 0", "the base learning rate, the greatest of the run", "schedule: { cosine: { lr: 0.01 } }");
#[rustfmt::skip]
const WARMUP: Key = key("warmup", "", "a duration, at most the run, such as `1 epochs`, `500 steps` or `0.05` (of the run)", "the learning rate rises linearly to lr first", "schedule: { cosine: { lr: 0.01, warmup: 0.05 } }");
#[rustfmt::skip]
const FACTOR: Key = key("factor", "0.1", "above 0", "of each step down", "schedule: { step: { lr: 0.1, every: 10 epochs, factor: 0.5 } }");
#[rustfmt::skip]
const DECAY_ON: Key = key("decay_on", "weights", "`weights` or `all`", "what decays: weights alone, or norms and biases too", "optimizer: { sgd: { decay: 5e-4, decay_on: all } }");
#[rustfmt::skip]
const HEAD_LR_SCALE: Key = key("head_lr_scale", "1.0", "above 0", "the head's learning rate over that of the rest", "optimizer: { adamw: { head_lr_scale: 10 } }");
#[rustfmt::skip]
const BETA1: Key = key("beta1", "0.9", "from 0, below 1", "decay of the mean of gradients", "optimizer: { adamw: { beta1: 0.85 } }");
#[rustfmt::skip]
const BETA2: Key = key("beta2", "0.999", "from 0, below 1", "decay of the mean of squared gradients", "optimizer: { adamw: { beta2: 0.95 } }");
#[rustfmt::skip]
const EPS: Key = key("eps", "1e-8", "above 0", "added to the root in the denominator", "optimizer: { adamw: { eps: 1e-6 } }");

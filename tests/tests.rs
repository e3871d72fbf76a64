//! What holds for the whole program. One binary; this is its table of contents.
//!
//! - [`recipes`]: every recipe and preset plans; every mistake is answered with its place and remedy.
//! - [`cli`]: the commands as a person types them.
//! - [`board`]: runs in the browser: who is answered, what is let in, that pages say what files and commands say.
//! - [`bench`]: what `tallow bench` prints is there and agrees.
//! - [`strangers`]: files whose headers lie, links, and what is no file.
//! - [`sweep`]: cells are runs, interrupted is uninterrupted, mistakes come first, and settings of one seed see the same.
//! - [`refusals`]: bad data, bad folders, divergence and signals: exit code, remedy, and what is left behind.
//! - [`training`]: the same seed gives the same bytes, whatever the threads; the knobs do what they say.
//! - [`steps`]: one step, from inside: gradients, branches, probes.
//! - [`checkpoint`]: resumed is uninterrupted; what is broken says so; weights from files.
//! - [`kept`]: what kills, damage, overwriting and a full disk leave of a run, and how it goes on.
//! - [`replay`]: a batch rebuilt from a checkpoint is the one that was trained on, to the bit.
//! - [`drawn`]: what the drawn data promise: no linear classifier tells the classes apart.
//! - [`export`]: a checkpoint in other libraries' layouts, and those libraries' answers where they are installed.
//! - [`hub`]: weights from the hub, against a small one on loopback.
//! - [`publish`]: a checkpoint to a small hub on loopback and back: the same bytes, the same predictions.
//! - [`own_images`]: a recipe from a look at somebody's images; groups, classes, copies.
//! - [`data_check`]: copies, leaks and wrong labels are found, left out by a list, and known to the training.
//! - [`odd_folders`]: folders as people have them, and that what `tallow new` writes of them trains and does not leak.
//! - [`guides`]: what the guides of docs/ say can be done: recipes, commands, links.
//! - [`knobs`]: what changes in the course of a run: stages that thaw, a plateau, a length; defaults.
//! - [`lists`]: lists and folders agree; the arrows between the crates are those of ARCHITECTURE.md.
//! - [`rooms`]: so are those between the folders of a crate.

mod bench;
mod board;
mod checkpoint;
mod cli;
mod data_check;
mod drawn;
mod export;
mod guides;
mod hub;
mod kept;
mod knobs;
mod lists;
mod odd_folders;
mod own_images;
/// The built programs, each started in a folder of its own.
mod program;
mod publish;
mod recipes;
mod refusals;
mod replay;
mod rooms;
#[path = "../crates/hub/tests/server/mod.rs"]
mod server;
mod steps;
mod strangers;
mod sweep;
mod training;

//! Mixes and the engine: golden numbers, properties of every mix, recipes. One binary; this is its table of contents.

mod cards;
mod chains;
mod changes;
mod engine;
mod goldens;
mod linear;
mod lists;
mod mask_goldens;
mod mask_moments;
mod moments;
mod parts;
mod properties;
mod recipes;
mod setting;

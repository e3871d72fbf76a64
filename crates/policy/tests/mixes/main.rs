//! Mixes and the engine: golden numbers, properties of every mix, recipes. One binary; this is its table of contents.

mod engine;
mod goldens;
mod lists;
mod moments;
mod properties;
mod recipes;
mod setting;

//! File formats, read whole or row by row: what stands in a file, whatever dataset it belongs to. No key of a recipe, no class and
//! no layout of a dataset is known here; those are the sources'.

pub mod binary;
pub mod csv;
pub mod expansion;
pub mod files;
pub mod npz;
pub mod parquet;

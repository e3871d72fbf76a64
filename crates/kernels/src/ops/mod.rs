//! The ops: one file or folder each, with the contract, the checks, the kernel on the CPU and the composition of candle's ops.
//! What several kernels share is in `cpu`; how an op is chosen, recorded and made part of the graph is in `dispatch` and `graph`.

mod activation;
mod adaptive;
mod add_channels;
mod add_scaled;
mod attention;
mod batch_norm;
mod block;
mod class_token;
mod concat;
mod conv;
mod gather_rows;
mod gelu;
mod hard_sigmoid;
mod hard_swish;
mod layer_norm;
mod layer_scale;
mod linear;
mod loss;
mod mix;
mod optimizer;
mod pool;
mod rearrange;
mod relu;
mod relu6;
mod scale_channels;
mod silu;
mod softmax;
mod sums;
mod upload;

pub use adaptive::adaptive_avg_pool2d;
pub use add_channels::add_channels;
pub use add_scaled::add_scaled;
pub use attention::{attention, window_attention, windows};
pub use batch_norm::{BatchNorm, RunningStats, Stats, batch_norm};
pub use block::{narrow, pad, select};
pub use class_token::class_token;
pub use concat::concat_channels;
pub use conv::{Conv, conv2d, depthwise_last};
pub use gather_rows::gather_rows;
pub use gelu::gelu;
pub use hard_sigmoid::hard_sigmoid;
pub use hard_swish::hard_swish;
pub use layer_norm::layer_norm;
pub use layer_scale::layer_scale;
pub use linear::linear;
pub use loss::{focal_loss, soft_cross_entropy};
pub use mix::{blend_masks, mix_rows, paste_boxes, paste_resized};
pub use optimizer::{
    AdamW, Sgd, adamw_step, adamw_steps, cast_updates, ema_update, ema_updates, sgd_step, sgd_steps,
};
pub use optimizer::{clip_grads, grad_norm, grad_norm_tensor, scale};
pub use pool::{avg_pool2d, avg_pool2d_ceil, global_avg_pool, max_pool2d};
pub use rearrange::{channels_first, channels_last, rearrange};
pub use relu::relu;
pub use relu6::relu6;
pub use scale_channels::scale_channels;
pub use silu::{sigmoid, silu};
pub use softmax::softmax;
pub use upload::upload_bytes;

/// Launches of kernels on GPUs, by op.
#[doc(hidden)]
pub mod launches {
    pub use super::activation::gpu as activation;
    pub use super::add_channels::gpu as add_channels;
    pub use super::add_scaled::gpu as add_scaled;
    pub use super::attention::gpu as attention;
    pub use super::batch_norm::gpu as batch_norm;
    pub use super::block::gpu as block;
    pub use super::class_token::gpu as class_token;
    pub use super::conv::gpu as conv;
    pub use super::layer_norm::gpu as layer_norm;
    pub use super::loss::gpu as loss;
    pub use super::mix::gpu as composite;
    pub use super::mix::rows::gpu as mix_rows;
    pub use super::optimizer::gpu as optimizer;
    pub use super::pool::gpu as pool;
    pub use super::rearrange::gpu as rearrange;
    pub use super::scale_channels::gpu as scale_channels;
    pub use super::softmax::gpu as softmax;
    /// Sums over rows and planes.
    pub mod sums {
        pub use crate::ops::sums::*;
    }
    /// Bytes to values.
    pub mod upload {
        pub use crate::ops::upload::*;
    }

    /// All of them.
    pub static SOURCES: [&crate::gpu::Source; 19] = [
        &activation::SOURCE,
        &add_channels::SOURCE,
        &add_scaled::SOURCE,
        &attention::SOURCE,
        &batch_norm::SOURCE,
        &block::SOURCE,
        &class_token::SOURCE,
        &composite::SOURCE,
        &conv::SOURCE,
        &layer_norm::SOURCE,
        &loss::SOURCE,
        &mix_rows::SOURCE,
        &optimizer::SOURCE,
        &pool::SOURCE,
        &rearrange::SOURCE,
        &scale_channels::SOURCE,
        &softmax::SOURCE,
        &sums::SOURCE,
        &upload::SOURCE,
    ];
}

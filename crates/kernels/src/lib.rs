//! The training ops that candle lacks, gets wrong or does slowly, as candle custom ops.
//!
//! On the CPU, in f32 and f64, each op is a kernel with its gradient; elsewhere, and under [`force_fallback`], it is composed
//! of candle's ops. Kernels run on rayon's current pool, and no bit of a result depends on its number of threads. Where no
//! operand is tracked no graph is built.

mod adaptive;
mod add_channels;
mod add_scaled;
mod attention;
mod batch_norm;
mod class_token;
mod concat;
mod conv;
mod element;
mod exp;
mod gelu;
mod gradients;
mod hard_sigmoid;
mod hard_swish;
mod layer_norm;
mod layer_scale;
mod linear;
mod loss;
mod mix;
mod node;
mod normal;
mod optimizer;
mod panels;
mod parallel;
mod paste;
mod paste_resized;
mod pointwise;
mod pool;
mod rearrange;
pub mod record;
mod relu;
mod relu6;
mod rows;
mod scale_channels;
mod shape;
mod silu;
mod simd;
mod softmax;
mod switch;

pub use adaptive::adaptive_avg_pool2d;
pub use add_channels::add_channels;
pub use add_scaled::add_scaled;
pub use attention::{attention, window_attention, windows};
pub use batch_norm::{BatchNorm, RunningStats, Stats, batch_norm};
pub use class_token::class_token;
pub use concat::concat_channels;
pub use conv::{Conv, conv2d, depthwise_last};
pub use gelu::gelu;
pub use gradients::{Gradients, backward};
pub use hard_sigmoid::hard_sigmoid;
pub use hard_swish::hard_swish;
pub use layer_norm::layer_norm;
pub use layer_scale::layer_scale;
pub use linear::linear;
pub use loss::{focal_loss, soft_cross_entropy};
pub use mix::mix_rows;
pub use optimizer::{AdamW, Sgd, adamw_step, ema_update, grad_norm, scale, sgd_step};
pub use paste::{blend_masks, paste_boxes};
pub use paste_resized::paste_resized;
pub use pool::{avg_pool2d, avg_pool2d_ceil, global_avg_pool, max_pool2d};
pub use rearrange::{channels_first, channels_last, rearrange};
pub use relu::relu;
pub use relu6::relu6;
pub use scale_channels::scale_channels;
pub use shape::{narrow, pad, select};
pub use silu::{sigmoid, silu};
pub use softmax::softmax;
pub use switch::{calls, force_fallback, reset_calls};

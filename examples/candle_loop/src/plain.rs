//! A small network of candle's own layers: tallow's mixes need nothing of the network.

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Linear, VarBuilder, batch_norm, conv2d_no_bias, linear};

/// Three convolutions with batch norm, ReLU and pooling; the mean over places; a linear layer.
pub struct Plain {
    blocks: Vec<(Conv2d, BatchNorm)>,
    head: Linear,
}

impl Plain {
    pub fn new(builder: &VarBuilder, classes: usize) -> Result<Plain> {
        let config = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let block = |(i, [from, to]): (usize, [usize; 2])| {
            let builder = builder.pp(format!("block{i}"));
            Ok((
                conv2d_no_bias(from, to, 3, config, builder.pp("conv"))?,
                batch_norm(to, 1e-5, builder.pp("norm"))?,
            ))
        };
        let widths = [[3, 16], [16, 32], [32, 64]];
        let blocks = widths.into_iter().enumerate().map(block).collect::<Result<_>>()?;
        Ok(Plain { blocks, head: linear(64, classes, builder.pp("head"))? })
    }
}

impl ModuleT for Plain {
    fn forward_t(&self, values: &Tensor, train: bool) -> Result<Tensor> {
        let mut values = values.clone();
        for (conv, norm) in &self.blocks {
            values = norm.forward_t(&conv.forward(&values)?, train)?.relu()?.avg_pool2d(2)?;
        }
        self.head.forward(&values.mean((2, 3))?)
    }
}

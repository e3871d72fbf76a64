//! What networks of tokens and residual blocks are made of: copies, biases and scales, attention.

use crate::bench::{Bench, Op, near, normal};
use candle_core::{Result, Tensor};
use tallow_kernels::{
    adaptive_avg_pool2d, add_channels, add_scaled, attention, channels_first, channels_last, class_token,
    concat_channels, depthwise_last, focal_loss, layer_scale, linear, narrow, pad, paste_resized, rearrange,
    scale_channels, select, softmax, window_attention,
};

pub fn all() -> Result<()> {
    let bench = Bench::new()?;
    copies(&bench)?;
    channels(&bench)?;
    residuals(&bench)?;
    tokens(&bench)?;
    others(&bench)
}

fn op<'a>(name: String, inputs: Vec<Tensor>, launches: [&'a [&'a str]; 2]) -> Op<'a> {
    Op { name, variables: inputs.len(), inputs, launches, tolerance: 3e-5, bf16: true, in_f32: 0..0 }
}

fn copies(bench: &Bench) -> Result<()> {
    let block: [&[&str]; 2] = [&["block"], &["block"]];
    let x = || vec![normal(&[3, 7, 5], 1)];
    bench.check(&op("narrow".into(), x(), block), |x| narrow(&x[0], 1, 2, 3))?;
    bench.check(&op("select".into(), x(), block), |x| select(&x[0], 1, 6))?;
    bench.check(&op("pad".into(), x(), block), |x| pad(&x[0], 2, 1, 2))?;
    let parts = [2, 5, 1].map(|c| normal(&[3, c, 4, 4], c as u64)).to_vec();
    let concat: [&[&str]; 2] = [&["block_into"; 3], &["block"; 3]];
    bench.check(&op("concat_channels".into(), parts, concat), |x| {
        concat_channels(&x.iter().collect::<Vec<_>>())
    })?;
    let launches = [&["transpose"][..]; 2];
    let plane = op("rearrange, a plane".into(), vec![normal(&[40, 7], 1)], launches);
    bench.check(&plane, |x| rearrange(&x[0], &[40, 7], &[1, 0], &[7, 40]))?;
    let maps = || vec![normal(&[2, 3, 4, 5], 1)];
    bench.check(&op("channels_last".into(), maps(), launches), |x| channels_last(&x[0]))?;
    bench.check(&op("channels_first".into(), maps(), launches), |x| channels_first(&x[0]))?;
    for (order, kernel) in [([0, 2, 1], "transpose"), ([2, 1, 0], "permute")] {
        let kernels = [kernel];
        let launches = [&kernels[..]; 2];
        let shape: Vec<usize> = order.iter().map(|axis| [3, 7, 5][*axis]).collect();
        bench.check(&op(format!("rearrange {order:?}"), x(), launches), |x| {
            rearrange(&x[0], &[3, 7, 5], &order, &shape)
        })?;
    }
    Ok(())
}

fn channels(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] = [&["add_channels"], &["channel_chunks", "channel_sums"]];
    let inputs = vec![normal(&[2, 37, 5, 7], 1), normal(&[37], 2)];
    let op_in = |name: &str, in_f32, inputs, launches| Op { in_f32, ..op(name.into(), inputs, launches) };
    bench.check(&op_in("add_channels", 1..2, inputs, launches), |x| add_channels(&x[0], &x[1]))?;
    let launches: [&[&str]; 2] = [&["scale_channels"], &["scale_channels_slope", "scale_channels"]];
    let inputs = vec![normal(&[2, 11, 5, 7], 1), normal(&[2, 11], 2)];
    bench.check(&op("scale_channels".into(), inputs, launches), |x| scale_channels(&x[0], &x[1]))?;
    let launches: [&[&str]; 2] = [
        &["depthwise_last"],
        &[
            "depthwise_last_input",
            "depthwise_last_chunks",
            "depthwise_last_weight",
            "column_chunks",
            "column_sums",
        ],
    ];
    let inputs = vec![normal(&[2, 9, 6, 5], 1), normal(&[5, 1, 7, 7], 2), normal(&[5], 3)];
    bench.check(&op_in("depthwise_last", 2..3, inputs, launches), |x| depthwise_last(&x[0], &x[1], &x[2]))
}

fn residuals(bench: &Bench) -> Result<()> {
    let shape = [3, 4, 9];
    let two = || vec![normal(&shape, 1), normal(&shape, 2)];
    let factors = [1.25, 0.0, 1.25];
    let launches: [&[&str]; 2] = [&["add_scaled"], &["scaled"]];
    bench.check(&op("add_scaled".into(), two(), launches), |x| add_scaled(&x[0], &x[1], Some(&factors)))?;
    let on = two().iter().map(|x| x.to_device(&bench.device)).collect::<Result<Vec<_>>>()?;
    near("a sum", &add_scaled(&on[0], &on[1], None)?, &(&two()[0] + &two()[1])?, 1e-6)?;
    let launches: [&[&str]; 2] = [&["layer_scale"], &["layer_scaled", "product_chunks", "column_sums"]];
    for factors in [None, Some(&factors[..])] {
        let inputs = [two(), vec![normal(&[9], 3)]].concat();
        let name = format!("layer_scale, {factors:?}");
        let op = Op { in_f32: 2..3, ..op(name, inputs, launches) };
        bench.check(&op, |x| layer_scale(&x[0], &x[1], &x[2], factors))?;
    }
    Ok(())
}

fn tokens(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] = [&["add_channels"], &["column_chunks", "column_sums"]];
    let inputs = vec![normal(&[3, 4, 7], 1), normal(&[5, 7], 2), normal(&[5], 3)];
    let op_of_linear = Op { in_f32: 2..3, ..op("linear".into(), inputs, launches) };
    bench.check(&op_of_linear, |x| linear(&x[0], &x[1], Some(&x[2])))?;
    let launches: [&[&str]; 2] = [&["class_token"], &["block", "column_chunks", "column_sums", "block"]];
    let inputs = vec![normal(&[3, 4, 7], 1), normal(&[7], 2), normal(&[5, 7], 3)];
    bench.check(&op("class_token".into(), inputs, launches), |x| class_token(&x[0], &x[1], &x[2]))?;
    let launches: [&[&str]; 2] = [
        &["attention_split", "softmax_forward", "attention_join"],
        &["attention_split", "softmax_backward", "block_into", "block_into", "block_into", "attention_join"],
    ];
    let inputs = || vec![normal(&[2, 5, 3 * 2 * 4], 1)];
    bench.check(&op("attention".into(), inputs(), launches), |x| attention(&x[0], 2))?;
    let launches: [&[&str]; 2] = [
        &["attention_split", "window_softmax", "attention_join"],
        &[
            "attention_split",
            "softmax_backward",
            "column_chunks",
            "column_sums",
            "block_into",
            "block_into",
            "block_into",
            "attention_join",
        ],
    ];
    for shift in [0, 1] {
        let inputs = vec![normal(&[2, 4, 6, 3 * 2 * 4], 1), normal(&[2, 4, 4], 2)];
        bench.check(&op(format!("window_attention, {shift}"), inputs, launches), |x| {
            window_attention(&x[0], 2, &x[1], 2, shift)
        })?;
    }
    Ok(())
}

fn others(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] = [&["adaptive_avg_pool_forward"], &["adaptive_avg_pool_backward"]];
    bench.check(&op("adaptive_avg_pool2d".into(), vec![normal(&[2, 3, 7, 5], 1)], launches), |x| {
        adaptive_avg_pool2d(&x[0], (3, 2))
    })?;
    let launches: [&[&str]; 2] = [&["loss_rows", "mean_of"], &["loss_backward"]];
    let inputs = vec![normal(&[7, 5], 4), softmax(&normal(&[7, 5], 5))?];
    let focal = Op { variables: 1, in_f32: 1..2, ..op("focal_loss".into(), inputs, launches) };
    bench.check(&focal, |x| focal_loss(&x[0], &x[1], 2.0, None))?;
    let launches: [&[&str]; 2] = [&["resize_forward"], &["resize_backward"]];
    let boxes = [(1, 4, 2, 7), (0, 5, 0, 1), (2, 2, 0, 7), (0, 3, 3, 6)];
    bench.check(&op("paste_resized".into(), vec![normal(&[4, 3, 5, 7], 7)], launches), |x| {
        paste_resized(&x[0], &[2, 2, 3, 0], &boxes)
    })
}

//! What each recorded op is in ONNX.

use super::proto::{Message, float, int, ints};
use super::{Graph, ROWS, unsupported};
use crate::Result;
use std::f64::consts::FRAC_1_SQRT_2;
use tallow_kernels::record::{Op, Step};

impl Graph {
    /// Writes the nodes of an op, the last of which has the name of its result.
    pub(super) fn add(&mut self, step: &Step) -> Result<()> {
        let op = format!("{:?}", step.op);
        let kind = op.split([' ', '(', '{']).next().unwrap_or_default();
        let name = format!("{}_{kind}", self.nodes.len());
        if let Op::WindowAttention { .. } = step.op {
            // The bias is gathered from a table, once for a file.
            let bias = format!("{name}.bias");
            self.constant(&bias, &step.inputs[1])?;
            self.names.insert(step.inputs[1].id(), bias);
        }
        let inputs = step.inputs.iter().map(|input| self.name(input, kind)).collect::<Result<Vec<_>>>()?;
        let mut at = At { graph: self, name: name.clone() };
        at.write(step, inputs, kind)?;
        self.names.insert(step.output.id(), name);
        Ok(())
    }
}

/// The nodes of one op.
struct At<'a> {
    graph: &'a mut Graph,
    /// Of its result.
    name: String,
}

impl At<'_> {
    fn write(&mut self, step: &Step, mut inputs: Vec<String>, kind: &str) -> Result<()> {
        let x = &step.inputs[0];
        match &step.op {
            Op::Conv2d(conv) => {
                let attributes = vec![
                    ints("kernel_shape", &step.inputs[1].dims()[2..]),
                    ints("strides", &[conv.stride; 2]),
                    ints("pads", &[conv.padding; 4]),
                    ints("dilations", &[conv.dilation; 2]),
                    int("group", conv.groups),
                ];
                self.last("Conv", inputs, attributes);
            }
            Op::DepthwiseLast => {
                let (_, _, k, _) = step.inputs[1].dims4()?;
                inputs[0] = self.transpose(inputs[0].clone(), &[0, 3, 1, 2], "planes");
                let attributes =
                    vec![ints("kernel_shape", &[k; 2]), ints("pads", &[k / 2; 4]), int("group", x.dim(3)?)];
                let planes = self.part("Conv", inputs, "conv", attributes);
                self.last("Transpose", vec![planes], vec![ints("perm", &[0, 2, 3, 1])]);
            }
            Op::BatchNorm { eps, relu } => {
                let residual = inputs.get(5).cloned();
                inputs.truncate(5);
                let attributes = vec![float("epsilon", *eps)];
                match (residual, relu) {
                    (None, false) => self.last("BatchNormalization", inputs, attributes),
                    (None, true) => {
                        let norm = self.part("BatchNormalization", inputs, "norm", attributes);
                        self.last("Relu", vec![norm], vec![]);
                    }
                    (Some(residual), relu) => {
                        let norm = self.part("BatchNormalization", inputs, "norm", attributes);
                        if *relu {
                            let sum = self.part("Add", vec![norm, residual], "sum", vec![]);
                            self.last("Relu", vec![sum], vec![]);
                        } else {
                            self.last("Add", vec![norm, residual], vec![]);
                        }
                    }
                }
            }
            Op::LayerNorm { eps } => {
                // The axis is the last, also by default.
                self.last("LayerNormalization", inputs, vec![float("epsilon", *eps)]);
            }
            Op::Linear if x.rank() == 2 => self.last("Gemm", inputs, vec![int("transB", 1)]),
            Op::Linear => {
                let weight = self.transpose(inputs[1].clone(), &[1, 0], "weight");
                let product = vec![inputs[0].clone(), weight];
                match inputs.get(2).cloned() {
                    None => self.last("MatMul", product, vec![]),
                    Some(bias) => {
                        let product = self.part("MatMul", product, "product", vec![]);
                        self.last("Add", vec![product, bias], vec![]);
                    }
                }
            }
            Op::Relu => self.last("Relu", inputs, vec![]),
            Op::Relu6 => {
                inputs.push(self.number("low", 0.0));
                inputs.push(self.number("high", 6.0));
                self.last("Clip", inputs, vec![]);
            }
            Op::Sigmoid => self.last("Sigmoid", inputs, vec![]),
            Op::Silu => {
                let gate = self.part("Sigmoid", inputs.clone(), "gate", vec![]);
                inputs.push(gate);
                self.last("Mul", inputs, vec![]);
            }
            Op::HardSigmoid => {
                self.last("HardSigmoid", inputs, vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)]);
            }
            Op::HardSwish => self.last("HardSwish", inputs, vec![]),
            Op::Gelu => {
                // x/2 · (1 + erf(x/√2))
                let root = self.number("root", FRAC_1_SQRT_2);
                let scaled = self.part("Mul", vec![inputs[0].clone(), root], "scaled", vec![]);
                let erf = self.part("Erf", vec![scaled], "erf", vec![]);
                let one = self.number("one", 1.0);
                let sum = self.part("Add", vec![erf, one], "sum", vec![]);
                let half = self.number("half", 0.5);
                let halved = self.part("Mul", vec![inputs[0].clone(), half], "halved", vec![]);
                self.last("Mul", vec![halved, sum], vec![]);
            }
            Op::Softmax => self.last("Softmax", inputs, vec![]),
            Op::MaxPool { kernel, stride, padding } => {
                self.last("MaxPool", inputs, window(*kernel, *stride, *padding));
            }
            Op::AvgPool { kernel, stride, padding, count_include_pad, ceil } => {
                let mut attributes = window(*kernel, *stride, *padding);
                attributes.push(int("count_include_pad", usize::from(*count_include_pad)));
                attributes.push(int("ceil_mode", usize::from(*ceil)));
                self.last("AveragePool", inputs, attributes);
            }
            Op::AdaptiveAvgPool => {
                let ((_, _, h, w), (_, _, oh, ow)) = (x.dims4()?, step.output.dims4()?);
                if !h.is_multiple_of(oh) || !w.is_multiple_of(ow) {
                    let problem =
                        format!("an adaptive pooling of {h}×{w} to {oh}×{ow} has windows of several sizes");
                    return Err(unsupported(format!("{problem} – export for an input of another size")));
                }
                let windows = [h / oh, w / ow];
                let attributes = vec![ints("kernel_shape", &windows), ints("strides", &windows)];
                self.last("AveragePool", inputs, attributes);
            }
            Op::GlobalAvgPool => {
                let pooled = self.part("GlobalAveragePool", inputs, "pool", vec![]);
                self.last("Flatten", vec![pooled], vec![int("axis", 1)]);
            }
            Op::ScaleChannels => {
                inputs[1] = self.reshape(inputs[1].clone(), &[0, 0, 1, 1], "factors");
                self.last("Mul", inputs, vec![]);
            }
            Op::AddChannels => {
                inputs[1] = self.reshape(inputs[1].clone(), &[-1, 1, 1], "bias");
                self.last("Add", inputs, vec![]);
            }
            Op::Add => self.last("Add", inputs, vec![]),
            Op::LayerScale => {
                let branch = self.part("Mul", vec![inputs[1].clone(), inputs[2].clone()], "branch", vec![]);
                self.last("Add", vec![inputs[0].clone(), branch], vec![]);
            }
            Op::ConcatChannels => self.last("Concat", inputs, vec![int("axis", 1)]),
            Op::ClassToken => {
                let (_, _, d) = x.dims3()?;
                let from = vec![int("start", 0), int("end", 1)];
                let rows = self.part("Shape", vec![inputs[0].clone()], "rows", from);
                let one = self.numbers("one", &[1, d as i64]);
                let shape = self.part("Concat", vec![rows, one], "shape", vec![int("axis", 0)]);
                let token = self.part("Expand", vec![inputs[1].clone(), shape], "token", vec![]);
                let tokens =
                    self.part("Concat", vec![token, inputs[0].clone()], "tokens", vec![int("axis", 1)]);
                self.last("Add", vec![tokens, inputs[2].clone()], vec![]);
            }
            Op::Attention { heads } => {
                let (_, l, width) = x.dims3()?;
                let (heads, d) = (*heads, width / 3 / heads);
                let parts = self.reshape(inputs[0].clone(), &[0, l, 3, heads, d].map(|n| n as i64), "parts");
                let parts = self.transpose(parts, &[2, 0, 3, 1, 4], "heads");
                let mixed = self.attend(parts, d, &[]); // (R, heads, L, d)
                let mixed = self.transpose(mixed, &[0, 2, 1, 3], "tokens");
                self.reshape_last(mixed, &[0, l as i64, (heads * d) as i64]);
            }
            Op::WindowAttention { heads, window, shift } => {
                let (_, h, w, width) = x.dims4()?;
                let (order, mask) = tallow_kernels::windows((h, w), *window, *shift);
                let (heads, d, s) = (*heads, width / 3 / heads, window * window);
                let count = h * w / s;
                let order: Vec<i64> = order.into_iter().map(i64::from).collect();
                let mut back = vec![0; h * w];
                order.iter().zip(0..).for_each(|(place, i)| back[*place as usize] = i);

                let tokens = self.reshape(inputs[0].clone(), &[0, (h * w) as i64, width as i64], "map");
                let order = self.numbers("order", &order);
                let tokens = self.part("Gather", vec![tokens, order], "windows", vec![int("axis", 1)]);
                let parts = self.reshape(tokens, &[0, count, s, 3, heads, d].map(|n| n as i64), "parts");
                let parts = self.transpose(parts, &[3, 0, 1, 4, 2, 5], "heads");
                let mut added = vec![inputs[1].clone()];
                if mask.iter().any(|value| *value != 0.0) {
                    let name = format!("{}.mask", self.name);
                    added.push(self.graph.values(name, &[count, 1, s, s], &mask));
                }
                let mixed = self.attend(parts, d, &added); // (R, windows, heads, window², d)
                let mixed = self.transpose(mixed, &[0, 1, 3, 2, 4], "tokens");
                let mixed = self.reshape(mixed, &[0, h * w, heads * d].map(|n| n as i64), "rows");
                let back = self.numbers("back", &back);
                let mixed = self.part("Gather", vec![mixed, back], "restored", vec![int("axis", 1)]);
                self.reshape_last(mixed, &[0, h, w, heads * d].map(|n| n as i64));
            }
            Op::Rearrange { dims, order, shape } => {
                let dims = self.sizes(&inputs[0], dims, kind)?;
                let shape = self.sizes(&inputs[0], shape, kind)?;
                let parts = self.reshape(inputs[0].clone(), &dims, "parts");
                let parts = self.transpose(parts, order, "order");
                self.reshape_last(parts, &shape);
            }
            Op::Narrow { axis, start, length } => {
                let name = inputs[0].clone();
                let start = *start as i64;
                let starts = self.numbers("starts", &[start]);
                let ends = self.numbers("ends", &[start + *length as i64]);
                let axes = self.numbers("axes", &[*axis as i64]);
                self.last("Slice", vec![name, starts, ends, axes], vec![]);
            }
            Op::Select { axis, at } => {
                let index = self.index(*at);
                self.last("Gather", vec![inputs[0].clone(), index], vec![int("axis", *axis)]);
            }
            Op::Pad { axis, before, after } => {
                let mut pads = vec![0; 2 * x.rank()];
                (pads[*axis], pads[x.rank() + axis]) = (*before as i64, *after as i64);
                inputs.push(self.numbers("pads", &pads));
                self.last("Pad", inputs, vec![]);
            }
        }
        Ok(())
    }

    /// softmax(q·kᵀ / √d + each of `added`)·v, of `parts` (3, …, tokens, d) → (…, tokens, d).
    fn attend(&mut self, parts: String, d: usize, added: &[String]) -> String {
        let mut take = |at: usize, part: &str| {
            let index = self.index(at);
            self.part("Gather", vec![parts.clone(), index], part, vec![int("axis", 0)])
        };
        let (q, k, v) = (take(0, "q"), take(1, "k"), take(2, "v"));
        // The last two axes change places: the product of k by itself has their order.
        let rank = if added.is_empty() { 4 } else { 5 };
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        let k = self.transpose(k, &order, "kt");
        let scale = self.number("scale", 1.0 / (d as f64).sqrt());
        let q = self.part("Mul", vec![q, scale], "scaled", vec![]);
        let mut scores = self.part("MatMul", vec![q, k], "scores", vec![]);
        for (i, term) in added.iter().enumerate() {
            scores = self.part("Add", vec![scores, term.clone()], &format!("scores{i}"), vec![]);
        }
        let weights = self.part("Softmax", vec![scores], "weights", vec![]);
        self.part("MatMul", vec![weights, v], "mixed", vec![])
    }

    /// The sizes to reshape `input` to: the first one, of the rows, is left open where it has a row for each image.
    fn sizes(&self, input: &String, sizes: &[usize], kind: &str) -> Result<Vec<i64>> {
        let mut open: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
        if self.graph.rows.contains(input) {
            if !sizes[0].is_multiple_of(ROWS) {
                return Err(unsupported(format!(
                    "{kind} to {sizes:?}, whose first axis is not that of the rows"
                )));
            }
            open[0] = -1;
        }
        Ok(open)
    }

    /// A node with the op's result.
    fn last(&mut self, op: &str, inputs: Vec<String>, attributes: Vec<Message>) {
        let name = self.name.clone();
        self.graph.node(op, inputs, &name, attributes);
    }

    /// A node on the way there; returns its output.
    fn part(&mut self, op: &str, inputs: Vec<String>, part: &str, attributes: Vec<Message>) -> String {
        let name = format!("{}.{part}", self.name);
        self.graph.node(op, inputs, &name, attributes)
    }

    fn transpose(&mut self, input: String, order: &[usize], part: &str) -> String {
        self.part("Transpose", vec![input], part, vec![ints("perm", order)])
    }

    fn reshape(&mut self, input: String, shape: &[i64], part: &str) -> String {
        let shape = self.numbers(&format!("{part}.shape"), shape);
        self.part("Reshape", vec![input, shape], part, vec![])
    }

    fn reshape_last(&mut self, input: String, shape: &[i64]) {
        let shape = self.numbers("shape", shape);
        self.last("Reshape", vec![input, shape], vec![]);
    }

    fn numbers(&mut self, part: &str, values: &[i64]) -> String {
        let name = format!("{}.{part}", self.name);
        self.graph.numbers(name, &[values.len()], values)
    }

    /// One position, which takes its axis away where it is gathered.
    fn index(&mut self, at: usize) -> String {
        let name = format!("{}.at{at}", self.name);
        self.graph.numbers(name, &[], &[at as i64])
    }

    fn number(&mut self, part: &str, value: f64) -> String {
        let name = format!("{}.{part}", self.name);
        self.graph.values(name, &[], &[value])
    }
}

fn window(kernel: usize, stride: usize, padding: usize) -> Vec<Message> {
    vec![ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &[padding; 4])]
}

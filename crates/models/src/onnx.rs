//! A network as an ONNX file: what an evaluation pass computes, op by op.
//!
//! The pass is run and recorded ([`tallow_kernels::record`]); so a file holds the ops that were applied, and no family says
//! twice what it computes.

mod proto;

use crate::{Error, Mode, Network, Params, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor, TensorId};
use proto::{Message, Type, float, int, ints};
use std::collections::{BTreeMap, HashMap};
use tallow_kernels::record::{Op, Step, record};

/// Names of the graph's input and output.
pub const INPUT: &str = "images";
pub const OUTPUT: &str = "logits";

/// The version of the operators.
pub const OPSET: i64 = 17;

/// Rows of the recorded pass. A first dimension that this divides is that of the rows.
const ROWS: usize = 13;

/// The evaluation pass as a file: `images` (N, C, H, W), normalised, → `logits` (N, classes), for any N. `properties` are kept as the
/// model's metadata. The weights are in the type of `params`, f32 or f64.
///
/// Errs where the pass holds what opset 17 cannot say, or what is not recorded.
pub fn onnx(
    network: &Network,
    params: &Params,
    image: [usize; 3],
    properties: &[(&str, String)],
) -> Result<Vec<u8>> {
    let of = match params.dtype() {
        DType::F32 => Type::Float,
        DType::F64 => Type::Double,
        other => return Err(unsupported(format!("weights of type {other:?} – expected f32 or f64"))),
    };
    let [channels, height, width] = image;
    let images = Tensor::zeros((ROWS, channels, height, width), params.dtype(), &Device::Cpu)?;
    let (logits, steps) = record(|| network.forward(&images, &Mode::Eval));
    let logits = logits?;
    let mut graph = Graph::new(params, of)?;
    graph.names.insert(images.id(), INPUT.to_owned());
    for step in &steps {
        graph.add(step)?;
    }
    let last = graph.name(&logits, "the result")?;
    graph.node("Identity", vec![last], OUTPUT, vec![]);
    let classes = &logits.dims()[1..];
    let message = Message::default()
        .messages(1, graph.nodes)
        .text(2, "tallow")
        .messages(5, graph.constants)
        .messages(11, [proto::rows(INPUT, of, &image)])
        .messages(12, [proto::rows(OUTPUT, of, classes)]);
    Ok(proto::model(message, OPSET, properties).finish())
}

fn unsupported(what: String) -> Error {
    Error::Option(format!("onnx: {what}"))
}

struct Graph {
    /// What each tensor of the pass is called.
    names: HashMap<TensorId, String>,
    /// Parameters and buffers by the address of their values.
    params: BTreeMap<usize, String>,
    of: Type,
    nodes: Vec<Message>,
    constants: Vec<Message>,
    /// Names of the constants that were written.
    written: BTreeMap<String, ()>,
}

impl Graph {
    fn new(params: &Params, of: Type) -> Result<Graph> {
        let mut addresses = BTreeMap::new();
        for (name, tensor) in params.tensors()? {
            if let Some(address) = address(&tensor) {
                addresses.insert(address, name);
            }
        }
        Ok(Graph {
            names: HashMap::new(),
            params: addresses,
            of,
            nodes: Vec::new(),
            constants: Vec::new(),
            written: BTreeMap::new(),
        })
    }

    /// The name of a tensor that `op` reads: of an earlier result, or of a parameter, which is written now. A parameter seen in
    /// another shape is another constant.
    fn name(&mut self, tensor: &Tensor, op: &str) -> Result<String> {
        if let Some(name) = self.names.get(&tensor.id()) {
            return Ok(name.clone());
        }
        let Some(param) = address(tensor).and_then(|address| self.params.get(&address)) else {
            let problem = format!("{op} reads a tensor {:?} that no recorded op made", tensor.shape());
            return Err(unsupported(format!("{problem} – apply an op of tallow_kernels in its place")));
        };
        let dims: Vec<String> = tensor.dims().iter().map(usize::to_string).collect();
        let mut name = param.clone();
        if self.written.contains_key(&name) {
            name = format!("{name}:{}", dims.join("x"));
        }
        if self.written.insert(name.clone(), ()).is_none() {
            let data = bytes(tensor)?;
            self.constants.push(proto::tensor(&name, tensor.dims(), self.of, &data));
        }
        self.names.insert(tensor.id(), name.clone());
        Ok(name)
    }

    fn node(&mut self, op: &str, inputs: Vec<String>, output: &str, attributes: Vec<Message>) -> String {
        self.nodes.push(proto::node(op, &inputs, output, attributes));
        output.to_owned()
    }

    /// A constant of whole numbers: a shape, or axes.
    fn numbers(&mut self, name: String, values: &[i64]) -> String {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(proto::tensor(&name, &[values.len()], Type::Int64, &data));
        name
    }

    fn add(&mut self, step: &Step) -> Result<()> {
        let op = format!("{:?}", step.op);
        let kind = op.split([' ', '(', '{']).next().unwrap_or_default();
        let mut inputs =
            step.inputs.iter().map(|input| self.name(input, kind)).collect::<Result<Vec<_>>>()?;
        let x = &step.inputs[0];
        let name = format!("{}_{kind}", self.nodes.len());
        // What an op leaves to a second node comes under a name of its own.
        let part = |part: &str| format!("{name}.{part}");
        match step.op {
            Op::Conv2d(conv) => {
                let kernel = &step.inputs[1].dims()[2..];
                let attributes = vec![
                    ints("kernel_shape", kernel),
                    ints("strides", &[conv.stride; 2]),
                    ints("pads", &[conv.padding; 4]),
                    ints("dilations", &[conv.dilation; 2]),
                    int("group", conv.groups),
                ];
                self.node("Conv", inputs, &name, attributes);
            }
            Op::BatchNorm { eps, relu } => {
                let residual = inputs.get(5).cloned();
                inputs.truncate(5);
                let mut last = if residual.is_none() && !relu { name.clone() } else { part("norm") };
                self.node("BatchNormalization", inputs, &last, vec![float("epsilon", eps)]);
                if let Some(residual) = residual {
                    let sum = if relu { part("sum") } else { name.clone() };
                    last = self.node("Add", vec![last, residual], &sum, vec![]);
                }
                if relu {
                    self.node("Relu", vec![last], &name, vec![]);
                }
            }
            Op::Linear => {
                self.node("Gemm", inputs, &name, vec![int("transB", 1)]);
            }
            Op::Relu => {
                self.node("Relu", inputs, &name, vec![]);
            }
            Op::Relu6 => {
                let (low, high) = (self.scalar(part("low"), 0.0), self.scalar(part("high"), 6.0));
                inputs.extend([low, high]);
                self.node("Clip", inputs, &name, vec![]);
            }
            Op::Sigmoid => {
                self.node("Sigmoid", inputs, &name, vec![]);
            }
            Op::Silu => {
                let gate = self.node("Sigmoid", inputs.clone(), &part("gate"), vec![]);
                inputs.push(gate);
                self.node("Mul", inputs, &name, vec![]);
            }
            Op::HardSigmoid => {
                let attributes = vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)];
                self.node("HardSigmoid", inputs, &name, attributes);
            }
            Op::HardSwish => {
                self.node("HardSwish", inputs, &name, vec![]);
            }
            Op::MaxPool { kernel, stride, padding } => {
                let attributes = window(kernel, stride, padding);
                self.node("MaxPool", inputs, &name, attributes);
            }
            Op::AvgPool { kernel, stride, padding, count_include_pad, ceil } => {
                let mut attributes = window(kernel, stride, padding);
                attributes.push(int("count_include_pad", usize::from(count_include_pad)));
                attributes.push(int("ceil_mode", usize::from(ceil)));
                self.node("AveragePool", inputs, &name, attributes);
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
                self.node("AveragePool", inputs, &name, attributes);
            }
            Op::GlobalAvgPool => {
                let pooled = self.node("GlobalAveragePool", inputs, &part("pool"), vec![]);
                self.node("Flatten", vec![pooled], &name, vec![int("axis", 1)]);
            }
            Op::ScaleChannels => {
                let shape = self.numbers(part("shape"), &[0, 0, 1, 1]);
                inputs[1] = self.node("Reshape", vec![inputs[1].clone(), shape], &part("factors"), vec![]);
                self.node("Mul", inputs, &name, vec![]);
            }
            Op::AddChannels => {
                let shape = self.numbers(part("shape"), &[-1, 1, 1]);
                inputs[1] = self.node("Reshape", vec![inputs[1].clone(), shape], &part("bias"), vec![]);
                self.node("Add", inputs, &name, vec![]);
            }
            Op::Add => {
                self.node("Add", inputs, &name, vec![]);
            }
            Op::ConcatChannels => {
                self.node("Concat", inputs, &name, vec![int("axis", 1)]);
            }
            Op::PadChannels { before, after } => {
                let mut pads = vec![0; 2 * x.rank()];
                (pads[1], pads[x.rank() + 1]) = (before as i64, after as i64);
                let pads = self.numbers(part("pads"), &pads);
                inputs.push(pads);
                self.node("Pad", inputs, &name, vec![]);
            }
            _ => return Err(unsupported(format!("{kind} has no form in opset {OPSET} here"))),
        }
        self.names.insert(step.output.id(), name);
        Ok(())
    }

    /// One number in the type of the weights.
    fn scalar(&mut self, name: String, value: f64) -> String {
        let data = match self.of {
            Type::Double => value.to_le_bytes().to_vec(),
            _ => (value as f32).to_le_bytes().to_vec(),
        };
        self.constants.push(proto::tensor(&name, &[], self.of, &data));
        name
    }
}

fn window(kernel: usize, stride: usize, padding: usize) -> Vec<Message> {
    vec![ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &[padding; 4])]
}

/// Where the values of a contiguous tensor on the CPU begin.
fn address(tensor: &Tensor) -> Option<usize> {
    let (storage, layout) = tensor.storage_and_layout();
    let start = layout.contiguous_offsets()?.0;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Some(values[start..].as_ptr() as usize),
        Storage::Cpu(CpuStorage::F64(values)) => Some(values[start..].as_ptr() as usize),
        _ => None,
    }
}

fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let values = tensor.flatten_all()?;
    Ok(match values.dtype() {
        DType::F64 => values.to_vec1::<f64>()?.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => values.to_vec1::<f32>()?.iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}

//! A network as an ONNX file: what an evaluation pass computes, op by op.
//!
//! The pass is run and recorded ([`tallow_kernels::record`]); so a file holds the ops that were applied, and no family says
//! twice what it computes.

mod ops;
mod proto;

use crate::{Error, Mode, Network, Params, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor, TensorId};
use proto::{Message, Type};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tallow_kernels::record::record;

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
/// # Errors
/// Where the pass holds what opset 17 cannot say, or what is not recorded.
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
    graph.rows.insert(INPUT.to_owned());
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
    written: BTreeSet<String>,
    /// Names of results that have a row for each image.
    rows: BTreeSet<String>,
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
            written: BTreeSet::new(),
            rows: BTreeSet::new(),
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
        if self.written.contains(&name) {
            name = format!("{name}:{}", dims.join("x"));
        }
        if self.written.insert(name.clone()) {
            self.constant(&name, tensor)?;
        }
        self.names.insert(tensor.id(), name.clone());
        Ok(name)
    }

    fn constant(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.constants.push(proto::tensor(name, tensor.dims(), self.of, &bytes(tensor)?));
        Ok(())
    }

    /// Writes a node and returns its output's name.
    fn node(&mut self, op: &str, inputs: Vec<String>, output: &str, attributes: Vec<Message>) -> String {
        if inputs.iter().any(|input| self.rows.contains(input)) {
            self.rows.insert(output.to_owned());
        }
        self.nodes.push(proto::node(op, &inputs, output, attributes));
        output.to_owned()
    }

    /// A constant of whole numbers: a shape, axes, positions.
    fn numbers(&mut self, name: String, dims: &[usize], values: &[i64]) -> String {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(proto::tensor(&name, dims, Type::Int64, &data));
        name
    }

    /// A constant in the type of the weights; one number has no dimension.
    fn values(&mut self, name: String, dims: &[usize], values: &[f64]) -> String {
        let data = match self.of {
            Type::Double => values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
            _ => values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
        };
        self.constants.push(proto::tensor(&name, dims, self.of, &data));
        name
    }
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

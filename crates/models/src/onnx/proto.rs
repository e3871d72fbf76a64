//! The wire format of protobuf, and the messages of ONNX that a model needs.
//!
//! Source: onnx.proto of ONNX 1.12 (IR version 8); protobuf's encoding guide.

/// A message so far.
#[derive(Default)]
pub struct Message(Vec<u8>);

impl Message {
    pub fn int(mut self, field: u32, value: i64) -> Message {
        self.tag(field, 0);
        // Negative numbers take ten bytes, as two's complement.
        self.varint(value as u64);
        self
    }

    pub fn float(mut self, field: u32, value: f32) -> Message {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u32, value: &[u8]) -> Message {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn text(self, field: u32, value: &str) -> Message {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u32, value: Message) -> Message {
        self.bytes(field, &value.0)
    }

    pub fn messages(self, field: u32, values: impl IntoIterator<Item = Message>) -> Message {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// `TensorProto.DataType`.
#[derive(Clone, Copy)]
pub enum Type {
    Float = 1,
    Int64 = 7,
    Double = 11,
}

/// `TensorProto`: little-endian `data`, row-major.
pub fn tensor(name: &str, dims: &[usize], of: Type, data: &[u8]) -> Message {
    dims.iter()
        .fold(Message::default(), |message, &dim| message.int(1, dim as i64))
        .int(2, of as i64)
        .text(8, name)
        .bytes(9, data)
}

/// `AttributeProto` of one whole number.
pub fn int(name: &str, value: usize) -> Message {
    Message::default().text(1, name).int(3, value as i64).int(20, 2)
}

pub fn float(name: &str, value: f64) -> Message {
    Message::default().text(1, name).float(2, value as f32).int(20, 1)
}

pub fn ints(name: &str, values: &[usize]) -> Message {
    let named = Message::default().text(1, name);
    values.iter().fold(named, |message, &value| message.int(8, value as i64)).int(20, 7)
}

/// `NodeProto` with one output, whose name is the node's.
pub fn node(op: &str, inputs: &[String], output: &str, attributes: Vec<Message>) -> Message {
    inputs
        .iter()
        .fold(Message::default(), |message, input| message.text(1, input))
        .text(2, output)
        .text(3, output)
        .text(4, op)
        .messages(5, attributes)
}

/// `ValueInfoProto` of rows of any number, each of this shape.
pub fn rows(name: &str, of: Type, shape: &[usize]) -> Message {
    let any = Message::default().text(2, "N");
    let fixed = shape.iter().map(|&dim| Message::default().int(1, dim as i64));
    let shape = Message::default().message(1, any).messages(1, fixed);
    let tensor = Message::default().int(1, of as i64).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// `ModelProto` of one graph.
pub fn model(graph: Message, opset: i64, properties: &[(&str, String)]) -> Message {
    let property = |(key, value): &(&str, String)| Message::default().text(1, key).text(2, value);
    Message::default()
        .int(1, 8)
        .text(2, "tallow")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, Message::default().text(1, "").int(2, opset))
        .messages(14, properties.iter().map(property))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_guides_examples() {
        // https://protobuf.dev/programming-guides/encoding: a = 150 in field 1; "testing" in field 2.
        assert_eq!(Message::default().int(1, 150).finish(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").finish(), b"\x12\x07testing");
        // −2, ten bytes; a message in field 3; a float, fixed 32 bits.
        let minus = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Message::default().int(1, -2).finish(), minus);
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, inner).finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().float(1, 1.0).finish(), [0x0d, 0, 0, 0x80, 0x3f]);
    }
}

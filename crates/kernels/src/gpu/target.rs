//! The dialect as CUDA, as Metal, and as C++ for the host: heads of kernels are written anew, the rest is macros.

use super::launch::Storage;
use super::slots::{Slot, Slots};
use super::source::{Access, Element, Form, LIST, Signature, Source, found};
use candle_core::{Result, bail};
use std::fmt::Write;

/// Whose compiler reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// NVRTC, which needs no header of CUDA's.
    Cuda,
    /// Metal's compiler, from source at run time, its fast mathematics off. No Metal compiler has read it yet.
    Metal,
    /// The host's C++ compiler, behind the header of the emulation (`tests/gpu/host.h`).
    Host,
}

const COMMON: &str = include_str!("common.h");
const BF16: &str = include_str!("bf16.h");

impl Source {
    /// What the compiler of `target` gets: the kernels with `T` = `storage`, named `kernel_storage`.
    ///
    /// # Errors
    /// Fails on a head of a kernel that is none.
    pub fn text(&self, target: Target, storage: Storage) -> Result<String> {
        self.text_of(self.text, COMMON, target, storage)
    }

    /// The part that all sources share, for tests that change it.
    pub fn common() -> &'static str {
        COMMON
    }

    /// The same of a text that takes the place of this one's, and of the part that all share.
    ///
    /// # Errors
    /// Fails on a head of a kernel that is none.
    pub fn text_of(&self, text: &str, common: &str, target: Target, storage: Storage) -> Result<String> {
        let kernels = match found(text) {
            Ok(kernels) => kernels,
            Err(error) => bail!("{}: {error}", self.name),
        };
        let prelude = match target {
            Target::Cuda => [include_str!("cuda.h"), BF16].concat(),
            Target::Metal => [include_str!("metal.h"), BF16].concat(),
            Target::Host => String::new(),
        };
        let of = storage.name();
        let mut out =
            format!("#undef THREADS\n#define THREADS {}u\n{prelude}{common}typedef {of} T;\n", self.threads);
        let mut at = 0;
        for kernel in kernels {
            out += &text[at..kernel.head.start];
            head(&mut out, &kernel.signature, target, storage, self.threads);
            at = kernel.head.end;
            // A head that goes on below its brace has ended that line already.
            if out.ends_with('\n') && text[at..].starts_with('\n') {
                at += 1;
            }
        }
        Ok(out + &text[at..])
    }
}

/// Up to and with the brace that opens the body, and what has to stand first in it.
fn head(out: &mut String, kernel: &Signature, target: Target, storage: Storage, threads: u32) {
    let name = format!("{}_{}", kernel.name, storage.name());
    match target {
        Target::Cuda => cuda(out, kernel, &name, storage, threads),
        Target::Metal => metal(out, kernel, &name, storage, threads),
        Target::Host => host(out, kernel, &name, storage),
    }
}

fn element(element: Element, storage: Storage) -> &'static str {
    match element {
        Element::Storage => storage.name(),
        Element::F32 => "f32",
        Element::U32 => "u32",
        Element::U8 => "u8",
    }
}

/// `a, b`.
fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

fn constant(access: Access) -> &'static str {
    if access == Access::In { "const " } else { "" }
}

/// A list is one struct of pointers, which stays where arguments are: a kernel takes one of them by a number.
fn cuda(out: &mut String, kernel: &Signature, name: &str, storage: Storage, threads: u32) {
    let (mut structs, mut lists) = (String::new(), String::new());
    let parameters = joined(kernel.parameters.iter().map(|p| {
        let of_kernel = name;
        let name = &p.name;
        match p.form {
            Form::U32 => format!("u32 {name}"),
            Form::F32 => format!("f32 {name}"),
            Form::Buffer(access, of) => {
                format!("{}{}* __restrict__ {name}", constant(access), element(of, storage))
            }
            Form::List(access, of) => {
                let (of, list) =
                    (format!("{}{}*", constant(access), element(of, storage)), format!("{of_kernel}_{name}"));
                writeln!(structs, "struct {list} {{ {of} at[{LIST}]; }};").expect("a string");
                writeln!(lists, "  {of} const* const {name} = {name}_.at;").expect("a string");
                format!("const __grid_constant__ {list} {name}_")
            }
        }
    }));
    let bounds = format!("__launch_bounds__({threads})");
    write!(out, "{structs}extern \"C\" __global__ void {bounds} {name}({parameters}) {{\n{lists}")
        .expect("a string");
}

fn metal(out: &mut String, kernel: &Signature, name: &str, storage: Storage, threads: u32) {
    let Slots { places, scalars: slot } = kernel.slots();
    let (mut scalars, mut first, mut parameters) = (String::new(), String::new(), String::new());
    let mut buffer = |of: &str, name: &str, slot: usize| {
        write!(parameters, "device {of}* {name} [[buffer({slot})]], ").expect("a string");
    };
    for (p, place) in kernel.parameters.iter().zip(places) {
        let name = &p.name;
        let of = match p.form {
            Form::U32 => "u32".to_owned(),
            Form::F32 => "f32".to_owned(),
            Form::Buffer(access, of) | Form::List(access, of) => {
                format!("{}{}", constant(access), element(of, storage))
            }
        };
        match place {
            Slot::Scalar(_) => {
                write!(scalars, "{of} {name}; ").expect("a string");
                writeln!(first, "  const {of} {name} = scalars.{name};").expect("a string");
            }
            Slot::Buffer(slot) => buffer(&of, name, slot),
            Slot::List(slot) => {
                (0..LIST).for_each(|k| buffer(&of, &format!("{name}_{k}"), slot + k));
                let each = joined((0..LIST).map(|k| format!("{name}_{k}")));
                writeln!(first, "  device {of}* {name}[{LIST}] = {{{each}}};").expect("a string");
            }
        }
    }
    if let Some(slot) = slot {
        writeln!(out, "struct {name}_scalars {{ {scalars}}};").expect("a string");
        write!(parameters, "constant {name}_scalars& scalars [[buffer({slot})]], ").expect("a string");
    }
    parameters += "uint3 thread_ [[thread_position_in_threadgroup]], uint3 group_ [[threadgroup_position_in_grid]], \
                   uint3 groups_ [[threadgroups_per_grid]]";
    // The compiler keeps to registers that so many threads have; without it a pipeline may run fewer.
    let attributes = format!("[[kernel, max_total_threads_per_threadgroup({threads})]]");
    write!(out, "{attributes} void {name}({parameters}) {{\n{first}").expect("a string");
}

fn host(out: &mut String, kernel: &Signature, name: &str, storage: Storage) {
    let types: Vec<String> = kernel.parameters.iter().map(|p| class(&p.form, storage)).collect();
    let parameters = joined(kernel.parameters.iter().zip(&types).map(|(p, of)| format!("{of} {}", p.name)));
    let given = joined(
        kernel
            .parameters
            .iter()
            .zip(&types)
            .enumerate()
            .map(|(i, (p, of))| format!("{of}(a[{i}], \"{}\")", p.name)),
    );
    writeln!(out, "static void {name}({parameters});").expect("a string");
    writeln!(
        out,
        "static Entry entry_{name}(SPACE \"{name}\", THREADS, [](Arguments& a) {{ {name}({given}); }});"
    )
    .expect("a string");
    writeln!(out, "static void {name}({parameters}) {{").expect("a string");
}

/// The host's class of a parameter.
fn class(form: &Form, storage: Storage) -> String {
    let buffer = |access: Access, of: Element| {
        let class = match access {
            Access::In => "Reads",
            Access::Out => "Writes",
            Access::InOut => "Updates",
        };
        format!("{class}<{}>", element(of, storage))
    };
    match *form {
        Form::U32 => "Uint".into(),
        Form::F32 => "Float".into(),
        Form::Buffer(access, of) => buffer(access, of),
        Form::List(access, of) => format!("List<{}>", buffer(access, of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SOURCE: Source = Source::new(
        "example",
        64,
        "// y = a·x\nKERNEL(scaled, IN(T, x), OUT(f32, y), INS(u8, b), UINT(n), FLOAT(a)) {\n  EACH(i, n) STORE(y, i, a * LOAD(x, i));\n}\n",
    );

    #[test]
    fn heads_become_each_targets() {
        let text = |target| {
            let text = SOURCE.text(target, Storage::Bf16).unwrap();
            text.split_once("// y = a·x\n").unwrap().1.to_owned()
        };
        let body = "  EACH(i, n) STORE(y, i, a * LOAD(x, i));\n}\n";
        assert_eq!(
            text(Target::Cuda),
            format!(
                "struct scaled_bf16_b {{ const u8* at[7]; }};\nextern \"C\" __global__ void __launch_bounds__(64) \
                 scaled_bf16(const bf16* __restrict__ x, f32* __restrict__ y, const __grid_constant__ scaled_bf16_b b_, \
                 u32 n, f32 a) {{\n  const u8* const* const b = b_.at;\n{body}"
            )
        );
        let buffers = joined((0..7).map(|k| format!("device const u8* b_{k} [[buffer({})]]", k + 2)));
        assert_eq!(
            text(Target::Metal),
            format!(
                "struct scaled_bf16_scalars {{ u32 n; f32 a; }};\n[[kernel, max_total_threads_per_threadgroup(64)]] \
                 void scaled_bf16(device const bf16* x [[buffer(0)]], \
                 device f32* y [[buffer(1)]], {buffers}, constant scaled_bf16_scalars& scalars [[buffer(9)]], \
                 uint3 thread_ [[thread_position_in_threadgroup]], uint3 group_ [[threadgroup_position_in_grid]], \
                 uint3 groups_ [[threadgroups_per_grid]]) {{\n  device const u8* b[7] = {{{}}};\n  const u32 n = scalars.n;\n  \
                 const f32 a = scalars.a;\n{body}",
                joined((0..7).map(|k| format!("b_{k}")))
            )
        );
        let parameters = "Reads<bf16> x, Writes<f32> y, List<Reads<u8>> b, Uint n, Float a";
        let host = text(Target::Host);
        assert!(host.ends_with(&format!("static void scaled_bf16({parameters}) {{\n{body}")), "{host}");
        assert!(
            SOURCE
                .text(Target::Cuda, Storage::F32)
                .unwrap()
                .starts_with("#undef THREADS\n#define THREADS 64u\n")
        );
    }
}

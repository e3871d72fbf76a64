//! A device that runs kernels on the host: a C++ program made of their sources and `host.h`, asked through its standard input.

use candle_core::{Result, bail};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tallow_kernels::gpu::{
    Access, Argument, Device, Form, Kind, Launch, Memory, Of, Source, Storage, Target,
};
use tallow_kernels::launches::SOURCES;

/// The host's C++ compiler; none where there is none, which is said.
pub fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let named = std::env::var("CXX").ok();
        let names = named.into_iter().chain(["c++", "g++", "clang++"].map(str::to_owned));
        let answers =
            |name: &String| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
        let found = { names }.find(answers);
        if found.is_none() {
            eprintln!("no C++ compiler (CXX, c++, g++, clang++): GPU kernels are not emulated");
        }
        found
    };
    FOUND.get_or_init(find).as_deref()
}

/// A C++ text as a program, under the address sanitizer where the compiler has it. One that is there already is kept.
pub fn build(compiler: &str, name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu");
    fs::create_dir_all(&folder).unwrap();
    let (source, program, built) =
        (folder.join(format!("{name}.cc")), folder.join(name), folder.join(format!("{name}.built")));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = [
        include_str!("fibers.h"),
        include_str!("host.h"),
        include_str!("metal/run.h"),
        include_str!("metal/metal_stdlib"),
        include_str!("../../src/gpu/bf16.h"),
    ];
    let key = format!("{compiler}\n{}\n{text}", headers.concat());
    if program.exists() && fs::read_to_string(&built).is_ok_and(|old| old == key) {
        return program;
    }
    let _ = fs::remove_file(&built);
    fs::write(&source, text).unwrap();
    let compile = |sanitizers: &[&str]| {
        let mut command = Command::new(compiler);
        command.args(["-std=c++17", "-O1", "-g1", "-ffp-contract=off"]);
        command.args(sanitizers);
        for folder in ["tests/gpu", "tests/gpu/metal", "src/gpu"] {
            command.arg("-I").arg(here.join(folder));
        }
        command.arg(&source).arg("-o").arg(&program).output().unwrap()
    };
    let mut output = compile(&["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]);
    if !output.status.success() {
        output = compile(&[]);
        eprintln!("{compiler} has no address sanitizer: kernels are emulated without it");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(&built, key).unwrap();
    program
}

/// What stands before the names of its kernels, a source, and the texts in place of its own and of what all share.
pub type Part<'a> = (String, &'a Source, String, String);

/// Sources, and what is changed in them: each part has its name before those of its kernels.
pub fn program(compiler: &str, name: &str, parts: &[Part], storages: &[Storage]) -> PathBuf {
    let mut text = "#include \"host.h\"\n".to_owned();
    for (i, (space, source, dialect, common)) in parts.iter().enumerate() {
        for storage in storages.iter().copied() {
            let body = source.text_of(dialect, common, Target::Host, storage).unwrap();
            let namespace = format!("part{i}_{}", storage.name());
            text += &format!("#undef SPACE\n#define SPACE \"{space}\"\nnamespace {namespace} {{\n{body}}}\n");
        }
    }
    build(compiler, name, &(text + "int main() { serve(); }\n"))
}

/// All kernels as they are.
pub fn all() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let whole = |source: &&'static Source| {
            (String::new(), *source, source.dialect().to_owned(), Source::common().to_owned())
        };
        Some(program(compiler()?, "kernels", &SOURCES.iter().map(whole).collect::<Vec<_>>(), &Storage::ALL))
    };
    PROGRAM.get_or_init(make).as_deref()
}

/// A buffer on the host.
pub struct Buffer {
    kind: Kind,
    pub bytes: RefCell<Vec<u8>>,
}

impl Buffer {
    pub fn new(kind: Kind, bytes: Vec<u8>) -> Buffer {
        Buffer { kind, bytes: RefCell::new(bytes) }
    }
}

impl Memory for Buffer {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn count(&self) -> usize {
        self.bytes.borrow().len() / self.kind.bytes()
    }

    fn address(&self) -> u64 {
        std::ptr::from_ref(self) as u64
    }
}

/// A program that runs kernels. One that a kernel's mistake ended is begun again.
pub struct Emulation {
    program: PathBuf,
    /// Whose texts it has: the host's, which get their arguments one by one, or Metal's, which get them in slots.
    target: Target,
    running: RefCell<Option<Child>>,
    /// What stands before the names of kernels.
    space: String,
    /// The order of threads.
    seed: u32,
    /// The kernels that ran, with their types.
    pub ran: RefCell<BTreeSet<String>>,
    /// A hash of all results.
    pub digest: Cell<u64>,
    /// What a device may keep.
    kept: RefCell<Kept>,
}

/// Bits of numbers, by what decides them.
type Kept = BTreeMap<(String, Vec<u64>), Vec<u32>>;

impl Emulation {
    pub fn new(program: &Path, space: &str, seed: u32) -> Emulation {
        Emulation::of(Target::Host, program, space, seed)
    }

    pub fn of(target: Target, program: &Path, space: &str, seed: u32) -> Emulation {
        Emulation {
            program: program.to_owned(),
            target,
            running: RefCell::new(None),
            space: space.to_owned(),
            seed,
            ran: RefCell::default(),
            digest: Cell::new(0xcbf2_9ce4_8422_2325),
            kept: RefCell::default(),
        }
    }

    fn ask(&self, request: &[u8], results: &[&Buffer]) -> std::io::Result<()> {
        let mut running = self.running.borrow_mut();
        let child = match &mut *running {
            Some(child) => child,
            none => none.insert(
                Command::new(&self.program)
                    .env("ASAN_OPTIONS", "detect_leaks=0")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()?,
            ),
        };
        let (stdin, stdout) = (child.stdin.as_mut().unwrap(), child.stdout.as_mut().unwrap());
        stdin.write_all(request)?;
        stdin.flush()?;
        stdout.read_exact(&mut [0; 4])?;
        for buffer in results {
            let mut bytes = buffer.bytes.borrow_mut();
            stdout.read_exact(&mut bytes)?;
            let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            self.digest.set(bytes.iter().fold(self.digest.get(), mix));
        }
        Ok(())
    }
}

impl Emulation {
    fn keeps(&self, (what, sizes): Of, bits: &[u32]) -> Result<()> {
        let key = (what.to_owned(), sizes.to_vec());
        let mut kept = self.kept.borrow_mut();
        if kept.entry(key).or_insert_with(|| bits.to_vec()) != bits || bits.is_empty() {
            bail!("{what} of {sizes:?}: expected the same numbers as before, one at least");
        }
        Ok(())
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

impl Device for Emulation {
    type Buffer = Buffer;

    /// Filled with 0xA5: what a kernel does not write is no plausible number.
    fn empty(&self, kind: Kind, count: usize) -> Result<Buffer> {
        Ok(Buffer::new(kind, vec![0xA5; count * kind.bytes()]))
    }

    fn words(&self, words: &[u32]) -> Result<Buffer> {
        Ok(Buffer::new(Kind::U32, words.iter().flat_map(|word| word.to_ne_bytes()).collect()))
    }

    fn floats(&self, floats: &[f32]) -> Result<Buffer> {
        Ok(Buffer::new(Kind::F32, floats.iter().flat_map(|float| float.to_ne_bytes()).collect()))
    }

    fn bytes(&self, bytes: &[u8]) -> Result<Buffer> {
        Ok(Buffer::new(Kind::U8, bytes.to_vec()))
    }

    /// Made each time, and held against what was made of the same sizes before.
    fn kept_words(&self, of: Of, make: impl FnOnce() -> Vec<u32>) -> Result<Buffer> {
        let words = make();
        self.keeps(of, &words)?;
        self.words(&words)
    }

    fn kept_floats(&self, of: Of, make: impl FnOnce() -> Vec<f32>) -> Result<Buffer> {
        let floats = make();
        self.keeps(of, &floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>())?;
        self.floats(&floats)
    }

    fn launch(&self, launch: &Launch<Buffer>) -> Result<()> {
        launch.check()?;
        let name = format!("{}{}_{}", self.space, launch.kernel, launch.storage.name());
        let mut request = Request(Vec::new());
        request.word(name.len());
        request.0.extend(name.as_bytes());
        request.words([self.seed, launch.groups[0], launch.groups[1]]);
        let results = match self.target {
            Target::Metal => request.slots(launch)?,
            _ => request.arguments(launch)?,
        };
        if self.ask(&request.0, &results).is_err() {
            let mut child = self.running.take().expect("asked");
            drop(child.stdin.take());
            let mut message = String::new();
            child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
            let status = child.wait().unwrap();
            bail!("{name}: {status}: {}", message.trim());
        }
        self.ran.borrow_mut().insert(name);
        Ok(())
    }
}

/// What a program is asked; the buffers that it answers with come in the order in which they stand there.
struct Request(Vec<u8>);

impl Request {
    fn words(&mut self, words: impl IntoIterator<Item = u32>) {
        words.into_iter().for_each(|word| self.0.extend(word.to_ne_bytes()));
    }

    fn word(&mut self, word: usize) {
        self.words([u32::try_from(word).expect("small")]);
    }

    /// As `host.h` reads them.
    fn arguments<'a>(&mut self, launch: &Launch<'a, Buffer>) -> Result<Vec<&'a Buffer>> {
        self.word(launch.arguments.len());
        let mut results = Vec::new();
        let signature = launch.source.signature(launch.kernel)?;
        for (parameter, argument) in signature.parameters.iter().zip(&launch.arguments) {
            let (access, buffers) = match (&parameter.form, argument) {
                (Form::Buffer(access, _), Argument::Buffer(buffer)) => (*access, vec![*buffer]),
                (Form::List(access, _), Argument::List(buffers)) => (*access, buffers.clone()),
                (_, Argument::U32(value)) => {
                    self.words([0, *value]);
                    continue;
                }
                (_, Argument::F32(value)) => {
                    self.words([0, value.to_bits()]);
                    continue;
                }
                _ => unreachable!("checked"),
            };
            let tag = match access {
                Access::In => 1,
                Access::Out => 2,
                Access::InOut => 3,
            };
            self.words([tag, buffers.len() as u32]);
            for buffer in &buffers {
                let bytes = buffer.bytes.borrow();
                self.word(bytes.len());
                self.word(buffer.count());
                self.0.extend(&*bytes);
            }
            if access != Access::In {
                results.extend(buffers);
            }
        }
        Ok(results)
    }

    /// As `metal/run.h` reads them.
    fn slots<'a>(&mut self, launch: &Launch<'a, Buffer>) -> Result<Vec<&'a Buffer>> {
        let bound = launch.bound()?;
        let mut buffers: Vec<(&Buffer, bool)> = Vec::new();
        let mut slots = Vec::new();
        for (slot, buffer, access) in bound.buffers {
            let known = buffers.iter().position(|(other, _)| other.address() == buffer.address());
            slots.push((slot, known.unwrap_or(buffers.len())));
            if known.is_none() {
                buffers.push((buffer, access != Access::In));
            }
        }
        self.word(buffers.len());
        for (buffer, is_written) in &buffers {
            let bytes = buffer.bytes.borrow();
            self.word(usize::from(*is_written));
            self.word(bytes.len());
            self.0.extend(&*bytes);
        }
        self.word(slots.len());
        for (slot, buffer) in slots {
            self.word(slot);
            self.word(buffer);
        }
        self.word(usize::from(bound.scalars.is_some()));
        if let Some((slot, bits)) = bound.scalars {
            self.word(slot);
            self.word(4 * bits.len());
            self.words(bits);
        }
        Ok(buffers.into_iter().filter_map(|(buffer, is_written)| is_written.then_some(buffer)).collect())
    }
}

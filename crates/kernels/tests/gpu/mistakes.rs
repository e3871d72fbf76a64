//! Kernels with a mistake in them: the emulation and the comparison find each.

use crate::bench::Bench;
use crate::cases::CASES;
use crate::emulation::{Buffer, Emulation, compiler, program};
use candle_core::Result;
use std::path::PathBuf;
use tallow_kernels::gpu::{Argument, Device, Kind, Launch, Source, Storage};
use tallow_kernels::launches::SOURCES;

/// Source, what is written in it, what takes its place, and what is said then.
const CHANGES: [(&str, &str, &str, &str); 14] = [
    (
        "activation",
        "EACH(i, n) STORE(y, i, relu(",
        "EACH(i, n + 1) STORE(y, i, relu(",
        "reads x[1], which has 1 numbers",
    ),
    ("activation", "EACH(i, n) STORE(y, i, relu(", "EACH(i, n - 1) STORE(y, i, relu(", "is never written"),
    ("activation", "x <= 0.0f ? 0.0f : x >= 6.0f", "x <= 0.0f ? 0.0f : x >= 5.0f", "on the CPU"),
    ("softmax", "row < rows ?", "row <= rows ?", "which has"),
    ("upload", "* 3 + channel)", "* 3 + channel + 1)", "on the CPU"),
    ("loss", "if (THREAD == 0) STORE(y, 0", "if (THREAD < 2) STORE(y, 0", "race: writes y[0]"),
    (
        "mix_rows",
        "const u32 count = column < width ?",
        "const u32 count = column <= width ?",
        "race: writes y[",
    ),
    ("batch_norm", "(s / (n - 1.0f))", "(s / n)", "on the CPU"),
    ("block", "at < length ?", "at <= length ?", "which has"),
    ("rearrange", "tile[lane * LINE + k])", "tile[k * LINE + lane])", "nobody wrote"),
    ("sums", "k * n + column)", "k * n + column + 1)", "which has"),
    ("attention", "0.0f : -100.0f;", "0.0f : 0.0f;", "on the CPU"),
    ("conv", "taps - 1 - tap : tap", "taps - 1 - tap : 0", "on the CPU"),
    ("optimizer", "1) + THREAD; i < end;", "1) + THREAD; i <= end;", "reads param[1], which has 1 numbers"),
];

/// For barriers of what sources share: a source that uses it, twice in one kernel.
fn user(function: &str) -> &'static str {
    match function {
        "tree_sum" => "batch_norm",
        "team_max" => "loss",
        other => panic!("{other} has a barrier: which source uses it?"),
    }
}

/// The sources, as they are, that the cases of a source go on with.
fn beside(source: &str) -> &'static [&'static str] {
    match source {
        "add_scaled" | "conv" => &["sums"],
        "attention" => &["softmax", "sums"],
        "batch_norm" => &["activation"],
        "class_token" => &["block", "sums"],
        _ => &[],
    }
}

/// What is said where a barrier is missing: one of these.
const BARRIER: &[&str] = &["another thread", "nobody wrote"];

struct Mistake {
    space: String,
    source: &'static Source,
    dialect: String,
    common: String,
    /// One of these.
    said: Vec<&'static str>,
}

fn source(name: &str) -> &'static Source {
    SOURCES.into_iter().find(|source| source.name == name).unwrap()
}

/// A text without its k-th barrier.
fn without(text: &str, k: usize) -> Option<String> {
    let (at, barrier) = text.match_indices("BARRIER();").nth(k)?;
    Some(format!("{}{}", &text[..at], &text[at + barrier.len()..]))
}

fn mistakes() -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut add = |source: &'static Source, dialect: String, common: String, said: &[&'static str]| {
        let space = format!("{}:", mistakes.len());
        mistakes.push(Mistake { space, source, dialect, common, said: said.to_vec() });
    };
    for (name, from, to, said) in CHANGES {
        let source = source(name);
        assert!(source.dialect().contains(from), "{name} has no `{from}`");
        add(source, source.dialect().replace(from, to), Source::common().into(), &[said]);
    }
    for source in SOURCES {
        for k in 0.. {
            let Some(text) = without(source.dialect(), k) else { break };
            add(source, text, Source::common().into(), BARRIER);
        }
    }
    for k in 0.. {
        let Some(text) = without(Source::common(), k) else { break };
        let at = Source::common().match_indices("BARRIER();").nth(k).unwrap().0;
        let (_, head) = Source::common()[..at].rsplit_once("DEVICE f32 ").unwrap();
        let source = source(user(head.split('(').next().unwrap()));
        add(source, source.dialect().into(), text, BARRIER);
    }
    mistakes
}

/// Each barrier of each kernel taken away, and wrong indices: an error that says what it is.
#[test]
fn every_barrier_is_needed_and_wrong_indices_are_found() {
    let Some(compiler) = compiler() else { return };
    let mistakes = mistakes();
    let barriers = 11; // in all sources
    assert_eq!(mistakes.len(), CHANGES.len() + barriers);
    let part = |m: &Mistake| (m.space.clone(), m.source, m.dialect.clone(), m.common.clone());
    let mut parts: Vec<_> = mistakes.iter().map(part).collect();
    for mistake in &mistakes {
        for other in beside(mistake.source.name).iter().map(|name| source(name)) {
            parts.push((mistake.space.clone(), other, other.dialect().into(), Source::common().into()));
        }
    }
    let program = program(compiler, "mistakes", &parts, &[Storage::F32]);
    for (i, mistake) in mistakes.iter().enumerate() {
        let device = Emulation::new(&program, &mistake.space, 1);
        let cases = CASES.into_iter().filter(|(source, _)| *source == mistake.source.name);
        let mut results = cases.map(|(_, case)| case(&Bench { device: &device, storage: Storage::F32 }));
        let error = results.find_map(Result::err).map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("mistake {i}, of {}, is not found", mistake.source.name));
        assert!(
            mistake.said.iter().any(|said| error.contains(said)),
            "mistake {i}, of {}: {error}",
            mistake.source.name
        );
    }
}

static TOYS: Source = Source::new(
    "toys",
    64,
    "KERNEL(divergent, OUT(f32, y), UINT(n)) {
  if (THREAD < n) BARRIER();
  if (GROUP * THREADS + THREAD < n) STORE(y, THREAD, 1.0f);
}
KERNEL(two_barriers, OUT(f32, y), UINT(n)) {
  if (THREAD < n) { BARRIER(); }
  else {
    BARRIER();
  }
  if (THREAD == 0) STORE(y, 0, 1.0f);
}
KERNEL(unwritten_shared, OUT(f32, y), UINT(n)) {
  SHARED(f32, part, 64);
  if (THREAD < n) part[THREAD] = 1.0f;
  BARRIER();
  if (THREAD == 0) STORE(y, 0, part[n]);
}
KERNEL(beyond_shared, OUT(f32, y), UINT(n)) {
  SHARED(f32, part, 64);
  part[THREAD + n] = 1.0f;
  if (THREAD == 0) STORE(y, 0, 1.0f);
}
KERNEL(around_load, OUT(f32, y), UINT(n)) {
  if (THREAD == 0) STORE(y, 0, y.data[n]);
}
KERNEL(unwritten, OUT(f32, y), UINT(n)) {
  if (THREAD == 0) STORE(y, 0, LOAD(y, 0) + (f32)n);
}
KERNEL(right, OUT(f32, y), UINT(n)) {
  if (THREAD == 0) STORE(y, 0, (f32)n);
}
",
);

#[test]
fn the_emulation_refuses() {
    let Some(compiler) = compiler() else { return };
    let toys = (String::new(), &TOYS, TOYS.dialect().to_owned(), Source::common().to_owned());
    let program: PathBuf = program(compiler, "toys", &[toys], &[Storage::F32]);
    let sanitized = std::fs::read(&program).unwrap().windows(11).any(|bytes| bytes == b"__asan_init");
    let device = Emulation::new(&program, "", 1);
    let run = |kernel: &'static str, n: u32| {
        let y = Buffer::new(Kind::F32, vec![0; 4]);
        let arguments = vec![Argument::from(&y), Argument::from(n)];
        let launch = Launch { source: &TOYS, kernel, storage: Storage::F32, groups: [1, 1], arguments };
        device.launch(&launch).map_err(|error| error.to_string())
    };
    for (kernel, n, said) in [
        ("divergent", 1, "divergent barrier"),
        ("two_barriers", 1, "divergent barrier"),
        ("unwritten_shared", 1, "reads part[1], which nobody wrote"),
        ("beyond_shared", 1, "touches part[64], which has 64 numbers"),
        ("around_load", 1, "AddressSanitizer: heap-buffer-overflow"),
        ("unwritten", 1, "reads y[0], which nobody wrote"),
    ] {
        if kernel == "around_load" && !sanitized {
            continue; // it was said when the program was built
        }
        let error = run(kernel, n).expect_err(kernel);
        assert!(error.contains(said), "{kernel}: {error}");
        assert_eq!(run("right", n), Ok(()), "after {kernel}");
    }
    assert!(run("unwritten_shared", 64).unwrap_err().contains("touches part[64]"));
}

#[test]
fn launches_are_checked_against_signatures() {
    let (floats, words) = (Buffer::new(Kind::F32, vec![0; 8]), Buffer::new(Kind::U32, vec![0; 8]));
    let check = |kernel, groups, arguments: Vec<Argument<Buffer>>| {
        let launch = Launch { source: source("optimizer"), kernel, storage: Storage::F32, groups, arguments };
        launch.check().map(|_| ()).map_err(|error| error.to_string().lines().next().unwrap().to_owned())
    };
    let lists = |count: usize| Argument::List(vec![&floats; count]);
    let norm =
        |sums, n: Argument<'static, Buffer>| vec![Argument::Buffer(sums), Argument::Buffer(&floats), n];
    let other = Buffer::new(Kind::F32, vec![0; 8]);
    assert_eq!(check("norm", [1, 1], norm(&other, Argument::U32(2))), Ok(()));
    for (result, said) in [
        (
            check("norm", [1, 1], norm(&words, Argument::U32(2))),
            "norm: sums: expected Buffer(In, F32), got a buffer of U32",
        ),
        (check("norm", [1, 1], norm(&other, Argument::F32(2.0))), "norm: n: expected U32, got 2_f32"),
        (
            check("norm", [1, 1], norm(&floats, Argument::U32(2))),
            "norm: a buffer that is written is given twice",
        ),
        (check("norm", [1, 0], norm(&other, Argument::U32(2))), "norm: expected 1 to 2³¹ − 1 groups across"),
        (
            check("norm", [1, 65_536], norm(&other, Argument::U32(2))),
            "norm: expected 1 to 2³¹ − 1 groups across",
        ),
        (check("norm", [1, 1], vec![]), "norm: expected 3 arguments, got 0"),
        (check("norms", [1, 1], vec![]), "optimizer: no kernel `norms`"),
        (
            check("squares", [1, 1], vec![lists(8), (&words).into(), (&other).into(), 0u32.into()]),
            "squares: grad: expected List(In, Storage), got 8 buffers",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

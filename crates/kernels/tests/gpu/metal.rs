//! The Metal text of every kernel, read and run by a C++ compiler behind a header that stands for Metal's language, with arguments in the
//! slots that a Metal device binds. It is no Metal compiler: it finds syntax, types, Metal's words used as names, wrong numbers and slots
//! and, where the compiler is clang (`CXX=clang++`), address spaces. On a Mac with Xcode Metal's own compiler reads every text too.

use crate::bench::Bench;
use crate::cases::CASES;
use crate::emulation::{Emulation, build, compiler};
use std::path::{Path, PathBuf};
use std::process::Command;
use tallow_kernels::gpu::{SLOTS, Source, Storage, Target};
use tallow_kernels::launches::SOURCES;

/// Variables of a group, as C++ has them in a function.
fn as_cpp(text: &str) -> String {
    let shared = "#define SHARED(type, name, count) threadgroup type name[count]";
    assert!(text.contains(shared));
    text.replace(shared, &shared.replace("threadgroup", "static threadgroup"))
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a compiler says against a text in a file of this name.
fn said(command: &mut Command, name: &str, text: &str) -> Result<(), String> {
    let path = folder().join(name);
    std::fs::write(&path, text).unwrap();
    let output = command.arg(path).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Of a C++ compiler.
fn said_of_cpp(compiler: &str, name: &str, text: &str) -> Result<(), String> {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/metal");
    let mut command = Command::new(compiler);
    command.args(["-std=c++17", "-fsyntax-only", "-Wno-attributes", "-I"]).arg(header);
    said(&mut command, &format!("{name}.metal.cc"), &as_cpp(text))
}

fn source(name: &str) -> &'static Source {
    SOURCES.into_iter().find(|source| source.name == name).unwrap()
}

#[test]
fn metal_texts_are_well_formed() {
    let Some(compiler) = compiler() else { return };
    for source in SOURCES {
        for storage in Storage::ALL {
            let name = format!("{}_{}", source.name, storage.name());
            let text = source.text(Target::Metal, storage).unwrap();
            said_of_cpp(compiler, &name, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let shared = text.contains(", part, THREAD)");
            if storage == Storage::F32 && shared {
                let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
                if String::from_utf8_lossy(&version).contains("clang") {
                    let wrong = text.replace(
                        "#define SHARED_OF(type) threadgroup type*",
                        "#define SHARED_OF(type) type*",
                    );
                    said_of_cpp(compiler, "wrong", &wrong).expect_err("an address space that is forgotten");
                }
            }
        }
    }
    let wrong = source("softmax").text(Target::Metal, Storage::F32).unwrap().replace("index", "thread");
    said_of_cpp(compiler, "wrong", &wrong).expect_err("a word of Metal's as a name");
}

/// The texts are left in the folder of the test, with the lines that errors of a device name.
#[test]
fn metals_compiler_takes_every_text() {
    let find = Command::new("xcrun").args(["-sdk", "macosx", "--find", "metal"]).output();
    let is_there = find.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("no xcrun with Metal's compiler: it reads no kernel");
    }
    for source in SOURCES {
        for storage in Storage::ALL {
            let name = format!("{}_{}.metal", source.name, storage.name());
            let text = source.text(Target::Metal, storage).unwrap();
            let mut command = Command::new("xcrun");
            command.args(["-sdk", "macosx", "metal", "-fno-fast-math", "-c", "-o", "/dev/null"]);
            if is_there {
                said(&mut command, &name, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else {
                std::fs::write(folder().join(name), text).unwrap();
            }
        }
    }
}

#[test]
fn no_kernel_has_more_slots_than_metal() {
    for source in SOURCES {
        let text = source.text(Target::Metal, Storage::F32).unwrap();
        let heads = heads(&text);
        assert_eq!(heads.len(), source.signatures().unwrap().len(), "{}", source.name);
        for head in heads {
            assert!(head.slots.len() <= SLOTS, "{}: {} slots", head.name, head.slots.len());
            assert!(head.slots.iter().copied().eq(0..head.slots.len()), "{}: {:?}", head.name, head.slots);
        }
    }
}

/// The head of a kernel, as its text has it.
struct Head<'a> {
    name: &'a str,
    threads: &'a str,
    slots: Vec<usize>,
    /// The struct of scalars.
    scalars: Option<&'a str>,
    /// Its arguments, taken from `slots`.
    call: Vec<String>,
}

fn heads(text: &str) -> Vec<Head<'_>> {
    let begin = "[[kernel, max_total_threads_per_threadgroup(";
    let lines = text.lines().filter_map(|line| line.strip_prefix(begin));
    let head = |line| -> Option<Head> {
        let (threads, rest): (&str, &str) = str::split_once(line, ")]] void ")?;
        let (name, rest) = rest.split_once('(')?;
        let mut head = Head { name, threads, slots: Vec::new(), scalars: None, call: Vec::new() };
        for parameter in rest.strip_suffix(") {")?.split(", ") {
            let (declared, attribute) = parameter.strip_suffix("]]")?.split_once(" [[")?;
            let (of, _) = declared.rsplit_once(' ')?;
            head.call.push(match attribute {
                "thread_position_in_threadgroup" => "uint3{run.current, 0, 0}".to_owned(),
                "threadgroup_position_in_grid" => "uint3{run.group_x, run.group_y, 0}".to_owned(),
                "threadgroups_per_grid" => "uint3{run.groups_x, 1, 1}".to_owned(),
                _ => {
                    let slot = attribute.strip_prefix("buffer(")?.strip_suffix(')')?;
                    head.slots.push(slot.parse().ok()?);
                    match of.strip_suffix('&') {
                        None => format!("({of})slots.at[{slot}]"),
                        Some(scalars) => {
                            head.scalars = scalars.strip_prefix("constant ");
                            format!("*({scalars}*)slots.at[{slot}]")
                        }
                    }
                }
            });
        }
        Some(head)
    };
    lines.map(|line| head(line).unwrap_or_else(|| panic!("a head that is none: {line}"))).collect()
}

/// A program of these texts, each with what stands before the names of its kernels.
fn program(compiler: &str, name: &str, texts: &[(&str, String)]) -> PathBuf {
    let mut program = "#include \"run.h\"\n".to_owned();
    for (i, (space, text)) in texts.iter().enumerate() {
        program += &format!("namespace part{i} {{\n{}", as_cpp(text));
        for Head { name, threads, slots, scalars, call } in heads(text) {
            let slots = format!("{slots:?}").replace(['[', ']'], "");
            let bytes = scalars.map_or("0".to_owned(), |of| format!("sizeof({of})"));
            let call = call.join(", ");
            program += &format!(
                "static Entry entry_{name}(\"{space}{name}\", {threads}, {{{slots}}}, {bytes}, [](Slots& slots) {{ {name}({call}); }});\n"
            );
        }
        program += "}\n";
    }
    build(compiler, name, &(program + "int main() { serve(); }\n"))
}

/// Texts and slots as a device of Metal's has them: the CPU's numbers.
#[test]
fn metal_texts_give_what_the_cpu_gives() {
    let Some(compiler) = compiler() else { return };
    // bf16 is a matter of `load` and `store` alone: kernels of one source are enough.
    let is_run = |source: &str, storage| storage == Storage::F32 || source == "activation";
    let texts = SOURCES.iter().flat_map(|source| Storage::ALL.map(|storage| (source, storage)));
    let texts = texts.filter(|(source, storage)| is_run(source.name, *storage));
    let texts = texts.map(|(source, storage)| ("", source.text(Target::Metal, storage).unwrap()));
    let all = program(compiler, "metal", &texts.collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for storage in Storage::ALL {
        for (source, case) in CASES.into_iter().filter(|(source, _)| is_run(source, storage)) {
            let device = Emulation::of(Target::Metal, &all, "", 1);
            let result = case(&Bench { device: &device, storage });
            wrong.extend(result.err().map(|error| format!("{source} in {storage:?}: {error}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a text and a device that do not agree on slots come to.
#[test]
fn another_slot_is_found() {
    let Some(compiler) = compiler() else { return };
    let text = source("optimizer").text(Target::Metal, Storage::F32).unwrap();
    let changes = [
        ("", "", ""),
        ("m_0 [[buffer(14)]]", "m_0 [[buffer(30)]]", "slot 30 is named, and nothing is bound to it"),
        ("f32 keep; f32 lr;", "f32 lr; f32 keep;", "on the CPU"),
        ("f32 keep; f32 lr;", "f32 keep; f32 none; f32 lr;", "bytes of scalars, where the struct has"),
        ("m[7] = {m_0", "m[7] = {v_0", "on the CPU"),
    ];
    let spaces: Vec<String> = (0..changes.len()).map(|i| format!("{i}:")).collect();
    let changed = |(space, (from, to, _)): (&String, &(&str, &str, &str))| {
        assert!(text.contains(from), "no `{from}`");
        (space.clone(), text.replace(from, to))
    };
    let texts: Vec<(String, String)> = spaces.iter().zip(&changes).map(changed).collect();
    let texts: Vec<(&str, String)> =
        texts.iter().map(|(space, text)| (space.as_str(), text.clone())).collect();
    let wrong = program(compiler, "metal_slots", &texts);
    let (_, case) = CASES.into_iter().find(|(source, _)| *source == "optimizer").expect("a case");
    for (space, (from, to, expected)) in spaces.iter().zip(changes) {
        let device = Emulation::of(Target::Metal, &wrong, space, 1);
        let said = case(&Bench { device: &device, storage: Storage::F32 });
        match (said, expected) {
            (Ok(()), "") => {}
            (Err(error), expected) if !expected.is_empty() && error.to_string().contains(expected) => {}
            (said, _) => panic!("`{to}` for `{from}`: expected `{expected}`, got {said:?}"),
        }
    }
}

//! The Metal text of every kernel, read by a C++ compiler behind a header that stands for Metal's language. It is no Metal compiler:
//! it finds syntax, types, Metal's words used as names, and, where the compiler is clang (`CXX=clang++`), address spaces.

use crate::emulation::compiler;
use std::path::Path;
use std::process::Command;
use tallow_kernels::gpu::{Storage, Target};
use tallow_kernels::launches::SOURCES;

/// What is said against a text.
fn said(compiler: &str, name: &str, text: &str) -> Result<(), String> {
    // C++ has no variables of a group in a function.
    let shared = "#define SHARED(type, name, count) threadgroup type name[count]";
    assert!(text.contains(shared));
    let text = text.replace(shared, &shared.replace("threadgroup", "static threadgroup"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.metal.cc"));
    std::fs::write(&path, text).unwrap();
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/metal");
    let mut command = Command::new(compiler);
    command.args(["-std=c++17", "-fsyntax-only", "-Wno-attributes", "-I"]).arg(header).arg(path);
    let output = command.output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn metal_texts_are_well_formed() {
    let Some(compiler) = compiler() else { return };
    for source in SOURCES {
        for storage in Storage::ALL {
            let name = format!("{}_{}", source.name, storage.name());
            let text = source.text(Target::Metal, storage).unwrap();
            said(compiler, &name, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let shared = text.contains("  SHARED(f32, part");
            if storage == Storage::F32 && shared {
                let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
                if String::from_utf8_lossy(&version).contains("clang") {
                    let wrong = text.replace(
                        "#define SHARED_OF(type) threadgroup type*",
                        "#define SHARED_OF(type) type*",
                    );
                    said(compiler, "wrong", &wrong).expect_err("an address space that is forgotten");
                }
            }
        }
    }
    let softmax = SOURCES.into_iter().find(|source| source.name == "softmax").unwrap();
    let wrong = softmax.text(Target::Metal, Storage::F32).unwrap().replace("index", "thread");
    said(compiler, "wrong", &wrong).expect_err("a word of Metal's as a name");
}

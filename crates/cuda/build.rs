//! On Linux, x86-64 and aarch64: links a trampoline for every function of NVIDIA's libraries that cudarc declares, and with feature
//! `cuda` CUDA's runtime, static and whole, and files without content by the names of those libraries, which cudarc and candle's kernels
//! ask the linker for. Elsewhere nothing: what they ask for is then linked as ever.

#[path = "src/assembly.rs"]
mod assembly;
#[allow(dead_code)]
#[path = "src/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use table::{LIBRARIES, NOTHING, NUMBER, STATUS, TEXT};

/// An archive of nothing.
const EMPTY: &str = "!<arch>\n";
/// Of CUDA, where no toolkit says it: 13.0.
const VERSION: u32 = 13_000;

fn main() {
    println!("cargo:rustc-check-cfg=cfg(lazy)");
    for path in ["build.rs", "src/assembly.rs", "src/table.rs", "src/functions"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let var = |name: &str| env::var(name).unwrap_or_default();
    let is_with_cuda = env::var_os("CARGO_FEATURE_CUDA").is_some();
    let version = if is_with_cuda { cuda_version() } else { VERSION };
    println!("cargo:rustc-env=TALLOW_CUDA_MAJOR={}", version / 1000);
    println!("cargo:rustc-env=TALLOW_CUDA_VERSION={version}");
    if var("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let architecture = var("CARGO_CFG_TARGET_ARCH");
    let Some(text) = trampolines(&architecture) else { return };
    println!("cargo:rustc-cfg=lazy");
    let out = PathBuf::from(var("OUT_DIR"));
    let source = out.join("trampolines.s");
    write(&source, &text);
    cc::Build::new().file(&source).cargo_metadata(false).compile("tallow_cuda_trampolines");
    println!("cargo:rustc-link-search=native={}", out.display());
    // Whole, and before any library that is opened when the program starts: every reference is resolved when the linker comes to these.
    println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=tallow_cuda_trampolines");
    if !is_with_cuda {
        return;
    }
    // cudart registers candle's kernels before `main`: no trampoline does that. Copied, as the toolkit's folder has other libraries.
    let runtime = runtime(&architecture);
    fs::copy(&runtime, out.join("libtallow_cudart.a"))
        .unwrap_or_else(|error| panic!("{}: {error}", runtime.display()));
    println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=tallow_cudart");
    for library in ["dl", "rt", "pthread"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    let empty = out.join("empty");
    fs::create_dir_all(&empty).unwrap_or_else(|error| panic!("{}: {error}", empty.display()));
    for key in LIBRARIES.iter().map(|library| library.key).chain(["cudart"]) {
        write(&empty.join(format!("lib{key}.a")), EMPTY);
    }
    println!("cargo:rustc-link-search=native={}", empty.display());
}

fn trampolines(architecture: &str) -> Option<String> {
    let lists = LIBRARIES.map(|library| {
        let path = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"))
            .join(format!("src/functions/{}.txt", library.key));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    let mut functions = Vec::new();
    for (library, list) in lists.iter().enumerate() {
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let (name, answer) = line.split_once(' ').unwrap_or((line, ""));
            let answer = match answer {
                "" => STATUS,
                "number" => NUMBER,
                "text" => TEXT,
                "nothing" => NOTHING,
                _ => panic!("{}.txt: {line}", LIBRARIES[library].key),
            };
            functions.push(assembly::Function { name, library, answer });
        }
    }
    assembly::assembly(architecture, &functions)
}

/// Of CUDA, as cudarc finds it: 13020 is 13.2.
fn cuda_version() -> u32 {
    println!("cargo:rerun-if-env-changed=CUDARC_CUDA_VERSION");
    // `13000`
    if let Ok(number) = env::var("CUDARC_CUDA_VERSION") {
        return number.parse().unwrap_or_else(|_| panic!("CUDARC_CUDA_VERSION={number}: no number"));
    }
    let said = Command::new("nvcc").arg("--version").output();
    let said = said.unwrap_or_else(|error| {
        panic!("nvcc --version: {error} – install the CUDA toolkit, and put its bin into PATH")
    });
    let said = String::from_utf8_lossy(&said.stdout);
    let release = || {
        let (major, rest) = said.split_once("release ")?.1.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(major.parse::<u32>().ok()? * 1000 + minor.parse::<u32>().ok()? * 10)
    };
    release().unwrap_or_else(|| panic!("nvcc --version: no release in `{said}`"))
}

/// `libcudart_static.a`.
fn runtime(architecture: &str) -> PathBuf {
    let variables = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];
    for name in variables.iter().chain(&["PATH"]) {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let named = variables.iter().filter_map(env::var_os).map(PathBuf::from);
    let of_compiler = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .filter(|folder| folder.join("nvcc").is_file())
        .filter_map(|folder| {
            fs::canonicalize(folder.join("nvcc")).ok()?.parent()?.parent().map(Path::to_owned)
        })
        .collect::<Vec<_>>();
    let usual = ["/usr/local/cuda", "/opt/cuda", "/usr"].map(PathBuf::from);
    let folders = [
        "lib64".to_owned(),
        "lib".into(),
        format!("targets/{architecture}-linux/lib"),
        // NVIDIA's name of ARM servers.
        "targets/sbsa-linux/lib".into(),
        format!("lib/{architecture}-linux-gnu"),
    ];
    let mut roots = named.chain(of_compiler).chain(usual);
    let found = roots.find_map(|root| {
        folders.iter().map(|folder| root.join(folder).join("libcudart_static.a")).find(|file| file.is_file())
    });
    found.expect("no libcudart_static.a – install CUDA's runtime (nvidia-cuda-runtime), and name the toolkit's folder in CUDA_HOME")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

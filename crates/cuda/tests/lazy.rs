//! Trampolines, in programs of their own: without any library, and with stand-ins of a few lines that a C compiler makes here.
#![cfg(lazy)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs;
use std::path::Path;
use std::process::Command;
use tallow_cuda as _;

// Signatures are the test's: a trampoline serves any.
unsafe extern "C" {
    fn cuInit(flags: u32) -> c_int;
    fn cuCtxSynchronize() -> c_int;
    fn cuGetErrorString(status: c_int, text: *mut *const c_char) -> c_int;
    #[rustfmt::skip]
    fn cuLaunchKernel(
        a: u64,
        b: u32,
        c: u32,
        d: u32,
        e: u32,
        f: u32,
        g: u32,
        h: u32,
        i: u64,
        j: u64,
        k: u64,
    ) -> c_int;
    fn cublasCreate_v2(handle: *mut c_void) -> c_int;
    fn cublasGetStatusString(status: c_int) -> *const c_char;
    fn cublasLtCreate(handle: *mut c_void) -> c_int;
    fn curandCreateGenerator(generator: *mut c_void) -> c_int;
    #[rustfmt::skip]
    fn curandGenerateNormal(
        n: u64,
        a: f64,
        b: f64,
        c: f64,
        d: f64,
        e: f64,
        f: f64,
        g: f64,
        h: f64,
        i: f64,
    ) -> c_int;
    fn nvrtcCreateProgram(
        program: *mut *mut c_void,
        text: *const c_char,
        name: *const c_char,
        headers: c_int,
        texts: *const *const c_char,
        names: *const *const c_char,
    ) -> c_int;
    fn nvrtcCompileProgram(program: *mut c_void, count: c_int, options: *const *const c_char) -> c_int;
    fn nvrtcVersion(major: *mut c_int, minor: *mut c_int) -> c_int;
    fn cudnnCreate(handle: *mut c_void) -> c_int;
    fn cudnnGetVersion() -> usize;
    fn cudnnGetLastErrorString(buffer: *mut c_char, size: usize);
}

const DRIVER: &str = "
static int starts;
int cuInit(unsigned flags) { starts++; return STARTS; }
int cuDriverGetVersion(int *version) { *version = NEWEST; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuCtxSynchronize(void) { return starts; }
int cuGetErrorString(int status, const char **text) { *text = status == 803 ? \"mismatch\" : \"odd\"; return 0; }
int cuLaunchKernel(long a, int b, int c, int d, int e, int f, int g, int h, long i, long j, long k) {
    return a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8 && i == 9 && j == 10 && k == 11 ? 0 : 1;
}
";

const RANDOM: &str = "
int curandGetProperty(int part, int *number) { *number = 10 - part; return 0; }
int curandGenerateNormal(long n, double a, double b, double c, double d, double e, double f, double g, double h, double i) {
    return n == 7 && a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8 && i == 9 ? 0 : 1;
}
";

/// As NVIDIA's does, it opens a file beside it by the bare name.
const COMPILER: &str = "
extern void *dlopen(const char *, int);
int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 7; return dlopen(\"libnvrtc-builtins.so.13.7\", 2) ? 0 : 7; }
";

/// A library of that text.
fn library(folder: &Path, soname: &str, text: &str, defines: &[&str]) {
    let source = folder.join(format!("{soname}.c"));
    fs::write(&source, text).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command
        .args(["-shared", "-fPIC"])
        .arg(format!("-Wl,-soname,{soname}"))
        .arg("-o")
        .arg(folder.join(soname));
    let made =
        command.args(defines.iter().map(|define| format!("-D{define}"))).arg(&source).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What that part says in a process of its own, with these folders searched first.
fn alone(part: &str, folder: &Path) -> String {
    let mut command = match std::env::var("TALLOW_TEST_RUNNER") {
        // An emulator of another processor: `qemu-aarch64 -L /usr/aarch64-linux-gnu`.
        Ok(runner) => {
            let mut words = runner.split(' ');
            let mut command = Command::new(words.next().unwrap());
            command.args(words).arg(std::env::current_exe().unwrap());
            command
        }
        Err(_) => Command::new(std::env::current_exe().unwrap()),
    };
    for name in ["LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "HOME"] {
        command.env_remove(name);
    }
    let said = command
        .args(["--ignored", "--exact", "--nocapture", part])
        .env("TALLOW_CUDA_LIBRARIES", folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.status.success(),
        "{part}: {:?}\n{text}{}",
        said.status,
        String::from_utf8_lossy(&said.stderr)
    );
    text
}

#[test]
fn without_libraries_every_function_answers() {
    if tallow_cuda::libraries().iter().any(|library| library.file.is_ok()) {
        eprintln!("this machine has NVIDIA's libraries: what a program says without them is not tried");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = alone("part_without_libraries", folder.path());
    assert!(said.contains("no NVIDIA driver: libcuda.so.1 was not found – install the driver"), "{said}");
    for why in ["libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libnvrtc.so.13"] {
        assert!(said.contains(&format!("{why} was not found")), "{said}");
    }
}

#[test]
#[ignore = "started by others"]
fn part_without_libraries() {
    let mut text = std::ptr::null();
    let mut buffer = [1 as c_char; 4];
    // SAFETY: nothing is called that reads its arguments.
    unsafe {
        for _ in 0..2 {
            assert_eq!([cuInit(0), cublasCreate_v2(null_mut()), cublasLtCreate(null_mut())], [34, 1, 1]);
            assert_eq!([curandCreateGenerator(null_mut()), nvrtcVersion(null_mut(), null_mut())], [203, 11]);
            assert_eq!(cudnnCreate(null_mut()), 1001);
        }
        assert_eq!(cuGetErrorString(34, &raw mut text), 0);
        assert!(CStr::from_ptr(text).to_str().unwrap().contains("not found"));
        assert!(CStr::from_ptr(cublasGetStatusString(1)).to_str().unwrap().contains("not found"));
        assert_eq!(cudnnGetVersion(), 0);
        cudnnGetLastErrorString(buffer.as_mut_ptr(), buffer.len());
        assert_eq!(buffer[0], 0);
    }
    println!("{}", tallow_cuda::ready(0).unwrap_err());
    for library in tallow_cuda::libraries() {
        println!("{}", library.file.unwrap_err());
    }
}

fn null_mut<T>() -> *mut T {
    std::ptr::null_mut()
}

#[test]
fn calls_reach_the_library_with_all_their_arguments() {
    let folder = tempfile::tempdir().unwrap();
    library(folder.path(), "libcuda.so.1", DRIVER, &["STARTS=0", "NEWEST=13010"]);
    library(folder.path(), "libcurand.so.10", RANDOM, &[]);
    library(folder.path(), "libnvrtc.so.13", COMPILER, &[]);
    library(folder.path(), "libnvrtc-builtins.so.13.7", "int nothing;", &[]);
    fs::write(folder.path().join("libcublas.so.13"), "no library").unwrap();
    let said = alone("part_with_stand_ins", folder.path());
    let driver = folder.path().join("libcuda.so.1");
    assert!(said.contains(&format!("driver {} 13.1", driver.display())), "{said}");
    assert!(
        said.contains(&format!("cuRAND {} 10.9.8", folder.path().join("libcurand.so.10").display())),
        "{said}"
    );
    assert!(
        said.contains(&format!("NVRTC {} 13.7", folder.path().join("libnvrtc.so.13").display())),
        "{said}"
    );
    let no_library = format!("{}: ", folder.path().join("libcublas.so.13").display());
    assert!(said.contains(&format!("cuBLAS {no_library}")), "{said}");
    let line = said.lines().find(|line| line.starts_with("no ")).unwrap();
    assert!(line.starts_with(&format!("no cuBLAS, cuBLASLt of the CUDA toolkit: {no_library}")), "{line}");
    assert!(line.contains(", libcublasLt.so.13 was not found – install the toolkit"), "{line}");
    let remedy = "`pip install nvidia-cublas`, or name their folders in TALLOW_CUDA_LIBRARIES";
    assert!(line.ends_with(remedy), "{line}");
    assert!(said.contains("sees 2 GPUs, counted from 0"), "{said}");
}

#[test]
#[ignore = "started by others"]
fn part_with_stand_ins() {
    // The first call of a function, by many at once.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    // SAFETY: the stand-ins have these signatures.
                    unsafe {
                        assert_eq!(cuLaunchKernel(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), 0);
                        assert_eq!(curandGenerateNormal(7, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0), 0);
                    }
                }
            });
        }
    });
    // SAFETY: as above.
    unsafe {
        let before = cuCtxSynchronize();
        assert_eq!([cuInit(0), cuInit(0)], [0, 0]);
        assert_eq!(cuCtxSynchronize(), before + 2);
        // The library is there, the function is not.
        assert_eq!(curandCreateGenerator(null_mut()), 999);
    }
    println!("{}\n{}", tallow_cuda::ready(0).unwrap_err(), tallow_cuda::ready(2).unwrap_err());
    for library in tallow_cuda::libraries() {
        match library.file {
            Ok((file, version)) => {
                println!("{} {} {}", library.name, file.display(), version.unwrap_or_default())
            }
            Err(why) => println!("{} {why}", library.name),
        }
    }
}

#[test]
fn a_driver_that_does_not_do_says_why() {
    for (starts, newest, expected) in [
        (100, 13000, "the NVIDIA driver sees no GPU"),
        (803, 13000, "the NVIDIA driver does not start: mismatch (803)"),
        (0, 12040, "the NVIDIA driver runs CUDA up to 12.4, this build is for CUDA 13."),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let defines = [format!("STARTS={starts}"), format!("NEWEST={newest}")];
        library(folder.path(), "libcuda.so.1", DRIVER, &[&defines[0], &defines[1]]);
        let said = alone("part_that_is_refused", folder.path());
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
#[ignore = "started by others"]
fn part_that_is_refused() {
    println!("{}", tallow_cuda::ready(0).unwrap_err());
}

/// NVIDIA's own, which opens a second library when it compiles.
#[test]
#[ignore = "needs NVRTC: .ci/cuda"]
fn a_kernel_compiles() {
    let text = c"extern \"C\" __global__ void one(float *x) { x[threadIdx.x] = 1; }";
    let (mut program, option) = (null_mut(), c"--gpu-architecture=sm_90".as_ptr());
    let none = std::ptr::null;
    // SAFETY: texts end with a zero, and the program is one that was made.
    unsafe {
        let made = nvrtcCreateProgram(&raw mut program, text.as_ptr(), c"one.cu".as_ptr(), 0, none(), none());
        assert_eq!(made, 0);
        assert_eq!(nvrtcCompileProgram(program, 1, &raw const option), 0);
    }
}

/// The page for people has the order of the search.
#[test]
fn the_page_lists_the_places_in_their_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/gpu.md")).unwrap();
    let list: Vec<String> =
        tallow_cuda::PLACES.iter().enumerate().map(|(at, place)| format!("{}. {place}", at + 1)).collect();
    assert!(page.contains(&list.join("\n")), "docs/gpu.md lacks:\n{}", list.join("\n"));
}

/// The lists are those of the cudarc that is built.
#[test]
fn the_lists_are_of_the_version_that_is_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(folder.join("../../Cargo.lock")).unwrap();
    let (_, rest) = lock.split_once("name = \"cudarc\"\nversion = \"").unwrap();
    let version = rest.split('"').next().unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(folder.join("src/functions")).unwrap() {
        let path = entry.unwrap().path();
        let list = fs::read_to_string(&path).unwrap();
        let (head, names) = list.split_once('\n').unwrap();
        let expected = format!("# {} functions of cudarc {version}, ", names.lines().count());
        assert!(head.starts_with(&expected), "{}: {head} – run crates/cuda/functions.py", path.display());
        seen += 1;
    }
    assert_eq!(seen, 6);
}

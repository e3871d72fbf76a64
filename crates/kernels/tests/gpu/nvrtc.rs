//! CUDA's compiler on every kernel, where `TALLOW_NVRTC` names libnvrtc.so (`pip install nvidia-cuda-nvrtc` brings one). It needs
//! no GPU.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use tallow_kernels::gpu::{Storage, Target};
use tallow_kernels::launches::SOURCES;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Create = unsafe extern "C" fn(
    *mut *mut c_void,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type Compile = unsafe extern "C" fn(*mut c_void, c_int, *const *const c_char) -> c_int;
type LogSize = unsafe extern "C" fn(*mut c_void, *mut usize) -> c_int;
type Log = unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_int;
type Destroy = unsafe extern "C" fn(*mut *mut c_void) -> c_int;

struct Nvrtc {
    create: Create,
    compile: Compile,
    log_size: LogSize,
    log: Log,
    destroy: Destroy,
}

impl Nvrtc {
    fn open(path: &str) -> Nvrtc {
        let (now, path_c) = (2, CString::new(path).unwrap());
        // SAFETY: NVRTC's functions have these types since CUDA 7.
        unsafe {
            let library = dlopen(path_c.as_ptr(), now);
            assert!(!library.is_null(), "TALLOW_NVRTC={path}: cannot be loaded");
            let function = |name: &CStr| {
                let function = dlsym(library, name.as_ptr());
                assert!(!function.is_null(), "{path} has no {name:?}");
                function
            };
            Nvrtc {
                create: std::mem::transmute::<*mut c_void, Create>(function(c"nvrtcCreateProgram")),
                compile: std::mem::transmute::<*mut c_void, Compile>(function(c"nvrtcCompileProgram")),
                log_size: std::mem::transmute::<*mut c_void, LogSize>(function(c"nvrtcGetProgramLogSize")),
                log: std::mem::transmute::<*mut c_void, Log>(function(c"nvrtcGetProgramLog")),
                destroy: std::mem::transmute::<*mut c_void, Destroy>(function(c"nvrtcDestroyProgram")),
            }
        }
    }

    /// Machine code for `architecture`; what the compiler says of it, or against it.
    fn compile(&self, name: &str, text: &str, architecture: &str) -> Result<String, String> {
        let (name, text) = (CString::new(name).unwrap(), CString::new(text).unwrap());
        let options =
            [format!("--gpu-architecture={architecture}"), "--ptxas-options=-v".into(), "--std=c++17".into()];
        let options = options.map(|option| CString::new(option).unwrap());
        let pointers: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = std::ptr::null_mut();
        // SAFETY: all strings end in 0 and outlive the calls; the log has the size that is asked for.
        unsafe {
            let none = std::ptr::null();
            assert_eq!((self.create)(&mut program, text.as_ptr(), name.as_ptr(), 0, none, none), 0);
            let status = (self.compile)(program, pointers.len() as c_int, pointers.as_ptr());
            let mut size = 0;
            (self.log_size)(program, &mut size);
            let mut log = vec![0u8; size + 1];
            (self.log)(program, log.as_mut_ptr().cast());
            (self.destroy)(&mut program);
            let log = CStr::from_bytes_until_nul(&log).unwrap().to_string_lossy().into_owned();
            if status == 0 { Ok(log) } else { Err(log) }
        }
    }
}

/// The number before or behind a word of the compiler's.
fn number(line: &str, before: &str) -> Option<u32> {
    line.split_once(before)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn cudas_compiler_takes_every_kernel() {
    let Ok(path) = std::env::var("TALLOW_NVRTC") else {
        eprintln!("TALLOW_NVRTC names no libnvrtc.so: CUDA's compiler reads no kernel");
        return;
    };
    let nvrtc = Nvrtc::open(&path);
    for source in SOURCES {
        for storage in Storage::ALL {
            let text = source.text(Target::Cuda, storage).unwrap();
            for architecture in ["sm_80", "sm_90", "sm_100"] {
                let log = nvrtc.compile(source.name, &text, architecture);
                let log = log.unwrap_or_else(|log| panic!("{} for {architecture}: {log}", source.name));
                let (mut kernel, mut seen) = (String::new(), 0);
                for line in log.lines() {
                    if let Some((_, name)) = line.split_once("Compiling entry function '") {
                        kernel = name.split('\'').next().unwrap().to_owned();
                    } else if let Some(registers) = number(line, "Used ") {
                        println!("{architecture} {kernel}: {registers} registers");
                        seen += 1;
                    }
                    let properties = line.contains("bytes stack frame");
                    let fits =
                        line.contains(" 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads");
                    assert!(
                        !properties || fits,
                        "{kernel} for {architecture} does not fit in registers: {line}"
                    );
                }
                assert_eq!(
                    seen,
                    source.signatures().unwrap().len(),
                    "{} for {architecture}: {log}",
                    source.name
                );
            }
        }
    }
    let wrong = "extern \"C\" __global__ void wrong(float* x) { x[0] = y; }";
    assert!(nvrtc.compile("wrong", wrong, "sm_80").unwrap_err().contains("\"y\" is undefined"));
}

//! The libraries, in the order of their indices: what `build.rs` and the program must agree on.

pub struct Entry {
    /// Of its list in `functions/`, and of the file that the linker is asked for.
    pub key: &'static str,
    /// As people call it.
    pub name: &'static str,
    /// The version in the file's name; `None`: that of CUDA.
    pub version: Option<u32>,
    /// The package of PyPI that has it, without what names the version of CUDA.
    pub wheel: &'static str,
    /// Indices of the libraries that must be there before it.
    pub needs: &'static [usize],
    /// What it opens by its bare name though it lies in the same folder: the beginning of that file's name.
    pub beside: Option<&'static str>,
}

pub const DRIVER: usize = 0;
pub const LIBRARIES: [Entry; 6] = [
    Entry { key: "cuda", name: "driver", version: Some(1), wheel: "", needs: &[], beside: None },
    Entry { key: "cublas", name: "cuBLAS", version: None, wheel: "nvidia-cublas", needs: &[2], beside: None },
    Entry {
        key: "cublasLt",
        name: "cuBLASLt",
        version: None,
        wheel: "nvidia-cublas",
        needs: &[],
        beside: None,
    },
    Entry {
        key: "curand",
        name: "cuRAND",
        version: Some(10),
        wheel: "nvidia-curand",
        needs: &[],
        beside: None,
    },
    Entry {
        key: "nvrtc",
        name: "NVRTC",
        version: None,
        wheel: "nvidia-cuda-nvrtc",
        needs: &[],
        beside: Some("libnvrtc-builtins.so."),
    },
    Entry {
        key: "cudnn",
        name: "cuDNN",
        version: Some(9),
        wheel: "nvidia-cudnn",
        needs: &[1, 2, 4],
        beside: None,
    },
];

/// What a function answers; the numbers stand in its record.
pub const STATUS: u32 = 0;
pub const NUMBER: u32 = 1;
pub const TEXT: u32 = 2;
pub const NOTHING: u32 = 3;

//! Convolutions through cuDNN's graph API, against the CPU's op: on a library of the test's own that stands in for cuDNN
//! (`standin.cc`), built by a C++ compiler and found first. No real cuDNN has run them.
#![cfg(target_os = "linux")]

use candle_core::{DType, Device, Result, Tensor, Var};
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::ptr::null_mut;
use tallow_kernels::gpu::cudnn::Cudnn;
use tallow_kernels::gpu::{Convolution, Pass, Storage};
use tallow_kernels::{Conv, conv2d};
use tallow_seed::Seed;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The library that stands in, and what it says of itself.
struct StandIn {
    live: extern "C" fn() -> c_int,
    executed: extern "C" fn() -> c_int,
    plans: extern "C" fn() -> c_int,
    want: extern "C" fn(c_int),
}

/// Built, and made the first that is found; none without a C++ compiler, which is said.
fn stand_in() -> Option<StandIn> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cudnn");
    std::fs::create_dir_all(&folder).unwrap();
    let library = folder.join("libcudnn.so.9");
    let sources = ["standin.cc", "host.cc"]
        .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cudnn").join(name));
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let mut command = Command::new(&compiler);
    command.args(["-std=c++17", "-O1", "-shared", "-fPIC"]).args(sources).arg("-o").arg(&library);
    let Ok(output) = command.output() else {
        eprintln!("no C++ compiler (CXX, c++): cuDNN is not stood in for, and nothing is checked");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // SAFETY: this process has one test, which has just begun.
    unsafe { std::env::set_var("TALLOW_CUDA_LIBRARIES", &folder) };
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the functions have these types in `standin.cc`.
    unsafe {
        let library = dlopen(path.as_ptr(), 2);
        assert!(!library.is_null());
        let function = |name: &str| {
            let name = CString::new(name).unwrap();
            let function = dlsym(library, name.as_ptr());
            assert!(!function.is_null(), "{name:?}");
            function
        };
        Some(StandIn {
            live: std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(function("standin_live")),
            executed: std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(function(
                "standin_executed",
            )),
            plans: std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(function("standin_plans")),
            want: std::mem::transmute::<*mut c_void, extern "C" fn(c_int)>(function("standin_want")),
        })
    }
}

/// Numbers as a layout and a type have them in memory.
fn stored(x: &Tensor, convolution: &Convolution) -> Result<Vec<u8>> {
    let x = if convolution.channels_last { x.permute((0, 2, 3, 1))?.contiguous()? } else { x.contiguous()? };
    let numbers: Vec<f32> = x.flatten_all()?.to_vec1()?;
    Ok(match convolution.storage {
        Storage::F32 => numbers.iter().flat_map(|v| v.to_ne_bytes()).collect(),
        Storage::Bf16 => numbers.iter().flat_map(|v| ((v.to_bits() >> 16) as u16).to_ne_bytes()).collect(),
    })
}

fn read(bytes: &[u8], [n, c, h, w]: [usize; 4], convolution: &Convolution) -> Result<Tensor> {
    let numbers: Vec<f32> = match convolution.storage {
        Storage::F32 => bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect(),
        Storage::Bf16 => {
            let wide = |b: &[u8]| u32::from(u16::from_ne_bytes(b.try_into().unwrap())) << 16;
            bytes.chunks_exact(2).map(|b| f32::from_bits(wide(b))).collect()
        }
    };
    if convolution.channels_last {
        return Tensor::from_vec(numbers, (n, h, w, c), &Device::Cpu)?.permute((0, 3, 1, 2))?.contiguous();
    }
    Tensor::from_vec(numbers, (n, c, h, w), &Device::Cpu)
}

fn normal(shape: &[usize], seed: u64, storage: Storage) -> Result<Tensor> {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    let kind = if storage == Storage::Bf16 { DType::BF16 } else { DType::F32 };
    Tensor::from_vec(data, shape, &Device::Cpu)?.to_dtype(kind)?.to_dtype(DType::F32)
}

fn near(what: &str, got: &Tensor, want: &Tensor, storage: Storage) -> Result<()> {
    let rms = want.sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt();
    let unit = if storage == Storage::Bf16 { 1.0 / 256.0 } else { 0.0 };
    let allowed = want.abs()?.affine(unit + 3e-6, f64::from(rms) * 3e-6)?;
    let beyond = ((got - want)?.abs()? - allowed)?.max_all()?.to_scalar::<f32>()?;
    assert!(beyond <= 0.0, "{what}: beyond by {beyond}");
    Ok(())
}

#[test]
fn convolutions_are_the_cpus() -> Result<()> {
    let Some(library) = stand_in() else { return Ok(()) };
    let cudnn = Cudnn::new(null_mut())?;
    let mut plans = 0;
    // (R, C, O, H, W), kernel, stride, padding, dilation, groups.
    let cases = [
        ((2, 3, 4, 9, 7), (3, 3), 1, 1, 1, 1),
        ((1, 4, 6, 8, 11), (3, 2), 2, 1, 1, 2),
        ((3, 6, 6, 12, 9), (3, 3), 1, 2, 2, 6),
        ((2, 5, 3, 4, 4), (1, 1), 1, 0, 1, 1),
        ((1, 3, 2, 16, 16), (7, 7), 2, 3, 1, 1),
    ];
    for ((r, c, o, h, w), (kh, kw), stride, padding, dilation, groups) in cases {
        for (storage, channels_last) in
            [(Storage::F32, false), (Storage::F32, true), (Storage::Bf16, false), (Storage::Bf16, true)]
        {
            let x = Var::from_tensor(&normal(&[r, c, h, w], 1, storage)?)?;
            let weight = Var::from_tensor(&normal(&[o, c / groups, kh, kw], 2, storage)?)?;
            let y = conv2d(x.as_tensor(), weight.as_tensor(), Conv { stride, padding, dilation, groups })?;
            let dy = normal(y.dims(), 3, storage)?;
            let gradients = tallow_kernels::backward((&y * &dy)?.sum_all()?)?;
            let sizes = |x: &Tensor| -> [usize; 4] { x.dims().try_into().unwrap() };
            let (xs, ws, ys) = (sizes(x.as_tensor()), sizes(weight.as_tensor()), sizes(&y));
            for pass in [Pass::Forward, Pass::Input, Pass::Weight] {
                let convolution = Convolution {
                    pass,
                    x: xs,
                    w: ws,
                    y: ys,
                    stride,
                    padding,
                    dilation,
                    storage,
                    channels_last,
                    tf32: false,
                };
                let plan = cudnn.plan(convolution)?.expect("an engine");
                plans += 1;
                let mut buffers = [
                    stored(x.as_tensor(), &convolution)?,
                    stored(weight.as_tensor(), &convolution)?,
                    stored(&dy, &convolution)?,
                ];
                let (target, want, of) = match pass {
                    Pass::Forward => (2, &y, ys),
                    Pass::Input => (0, gradients.get(&x).unwrap(), xs),
                    Pass::Weight => (1, gradients.get(&weight).unwrap(), ws),
                };
                buffers[target].fill(0xff);
                let addresses = buffers.each_mut().map(|buffer| buffer.as_mut_ptr() as u64);
                let mut workspace = vec![0u8; plan.workspace];
                // SAFETY: the library that stands in takes memory of the host, of the sizes above.
                unsafe { cudnn.run(&plan, addresses, workspace.as_mut_ptr() as u64)? };
                near(&format!("{convolution:?}"), &read(&buffers[target], of, &convolution)?, want, storage)?;
                // Neither the one that is not deterministic nor the one that cannot be built.
                assert_eq!(
                    (library.executed)(),
                    if storage == Storage::F32 { 3 } else { 2 },
                    "{convolution:?}"
                );
                assert!(std::sync::Arc::ptr_eq(&plan, &cudnn.plan(convolution)?.expect("kept")));
            }
        }
    }
    assert_eq!((cudnn.plans(), (library.plans)()), (plans, plans as c_int));

    let small = Convolution {
        pass: Pass::Forward,
        x: [1, 1, 4, 4],
        w: [1, 1, 3, 3],
        y: [1, 1, 2, 2],
        stride: 1,
        padding: 0,
        dilation: 1,
        storage: Storage::F32,
        channels_last: false,
        tf32: false,
    };
    // Where the heuristic names none that may be taken, the fallback does.
    let run = |convolution: Convolution| -> Result<c_int> {
        let plan = cudnn.plan(convolution)?.expect("an engine");
        let (mut x, mut w, mut y, mut room) = ([0f32; 16], [0f32; 9], [1f32; 4], vec![0u8; plan.workspace]);
        let addresses = [x.as_mut_ptr() as u64, w.as_mut_ptr() as u64, y.as_mut_ptr() as u64];
        // SAFETY: as above.
        unsafe { cudnn.run(&plan, addresses, room.as_mut_ptr() as u64)? };
        assert_eq!(y, [0.0; 4]);
        Ok((library.executed)())
    };
    (library.want)(-1);
    assert_eq!(run(small)?, 4);
    (library.want)(-2);
    assert_eq!(run(Convolution { channels_last: true, ..small })?, 4);
    (library.want)(3);
    // Rounded for tensor cores where that is asked for.
    assert_eq!(run(Convolution { tf32: true, ..small })?, 2);
    // None at all: that is no error, and asked once.
    (library.want)(-3);
    let none = Convolution { tf32: true, channels_last: true, ..small };
    assert!(cudnn.plan(none)?.is_none());
    (library.want)(3);
    assert!(cudnn.plan(none)?.is_none());
    let wrong = Convolution { y: [1, 1, 3, 2], ..small };
    let error = cudnn.plan(wrong).err().unwrap().to_string();
    assert!(error.contains("sides do not fit") && error.contains("cuDNN"), "{error}");
    drop(cudnn);
    assert_eq!((library.live)(), 0, "descriptors that nobody destroys");
    Ok(())
}

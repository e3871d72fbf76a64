//! `device: auto | cpu | cuda:N | metal`.

use candle_core::Device;
use tallow_data::counted;

/// Where a run computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device, else Metal, else the CPU: of those that this build and machine have.
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceChoice, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(DeviceChoice::Auto),
            None if text == "cpu" => Ok(DeviceChoice::Cpu),
            None if text == "cuda" => Ok(DeviceChoice::Cuda(0)),
            None if text == "metal" => Ok(DeviceChoice::Metal),
            Some(("cuda", n)) if n.parse::<usize>().is_ok() => Ok(DeviceChoice::Cuda(n.parse().unwrap_or(0))),
            _ => Err(format!("expected auto, cpu, cuda:N or metal, got `{text}`")),
        }
    }
}

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// A device that this build or machine does not have: how to get it.
    pub fn open(self) -> Result<Device, String> {
        self.open_at(0)
    }

    /// That of one of several processes of this machine, from 0. Each has a GPU of its own, the next one, or the only one that its
    /// launcher lets it see.
    ///
    /// # Errors
    /// A device that this build or machine does not have: how to get it.
    pub fn open_at(self, place: usize) -> Result<Device, String> {
        let gpu = |first: usize| match cuda(first + place) {
            Err(_) if place > 0 && first == 0 && cuda(1).is_err() => cuda(0),
            opened => opened,
        };
        let opened = match self {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Auto => Ok(gpu(0).or_else(|_| metal()).unwrap_or(Device::Cpu)),
            DeviceChoice::Cuda(n) => gpu(n),
            DeviceChoice::Metal => metal(),
        };
        opened.map_err(|why| format!("{why}; or compute on cpu"))
    }

    /// Why `auto` came to compute on the CPU where a driver sees a GPU.
    pub fn passed_over(self, opened: &Device) -> Option<String> {
        if self != DeviceChoice::Auto || !opened.is_cpu() || !has_gpu() {
            return None;
        }
        let why = cuda(0).err()?;
        Some(format!("device: auto computes on cpu, though there is a GPU: {why}"))
    }
}

#[cfg(not(feature = "cuda"))]
fn has_gpu() -> bool {
    false
}

#[cfg(feature = "cuda")]
fn has_gpu() -> bool {
    use tallow_cuda::Obstacle::{NoDriver, NoGpu};
    // Where the program's linker opens libraries nothing is known of a driver.
    !tallow_cuda::libraries().is_empty() && !matches!(tallow_cuda::ready(0), Err(NoDriver(_) | NoGpu))
}

#[cfg(not(feature = "cuda"))]
fn cuda(ordinal: usize) -> Result<Device, String> {
    Err(format!("cuda:{ordinal} – this build has no CUDA; build with `--features cuda`"))
}

#[cfg(feature = "cuda")]
fn cuda(ordinal: usize) -> Result<Device, String> {
    tallow_cuda::ready(ordinal).map_err(|why| format!("cuda:{ordinal} – {why}"))?;
    tallow_kernels::gpu::cuda::open(ordinal).map_err(|error| {
        // A backtrace follows the first line, where the environment asks for one.
        let error = error.to_string();
        let error = error.lines().next().unwrap_or_default();
        format!("cuda:{ordinal} – it does not open ({error}); see `nvidia-smi` and `tallow doctor`")
    })
}

fn metal() -> Result<Device, String> {
    if !cfg!(feature = "metal") {
        return Err("metal – this build has no Metal; build with `--features metal` on a Mac".into());
    }
    Device::new_metal(0).map_err(|e| format!("metal – this machine has no Metal device ({e})"))
}

/// A name for reports: `cpu (2 threads)`, `cuda:0`.
pub fn name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => {
            format!("cpu ({})", counted(rayon::current_num_threads(), "thread"))
        }
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { .. } => "metal".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        let error = "gpu".parse::<DeviceChoice>().unwrap_err();
        assert_eq!(error, "expected auto, cpu, cuda:N or metal, got `gpu`");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_built_says_how_to_get_it() {
        let error = DeviceChoice::Cuda(0).open().unwrap_err();
        assert!(error.contains("--features cuda"), "{error}");
    }
    /// A machine without a driver is told from one without libraries, by a library's own tests; here, that it takes one line.
    #[cfg(all(feature = "cuda", target_os = "linux"))]
    #[test]
    fn a_device_that_is_not_there_says_why_in_one_line() {
        let Err(error) = DeviceChoice::Cuda(99).open() else { panic!("100 GPUs") };
        assert!(error.starts_with("cuda:99 – "), "{error}");
        assert!(error.ends_with("or compute on cpu") && !error.contains('\n'), "{error}");
    }
}

//! The main job: `train RECIPE`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tallow_cli::run_train(tallow_cli::Registry::builtin())
}

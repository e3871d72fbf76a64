//! The main job: `train RECIPE`.

#[path = "../allocator.rs"]
mod allocator;

fn main() -> std::process::ExitCode {
    allocator::keep_memory();
    tallow_cli::run_train(tallow_cli::Registry::builtin())
}

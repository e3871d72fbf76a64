//! All commands: `tallow train`, `eval`, `predict`, `preview`, `replay`, `check`, `bench`, `list`.

#[path = "../allocator.rs"]
mod allocator;

fn main() -> std::process::ExitCode {
    allocator::keep_memory();
    tallow_cli::run(tallow_cli::Registry::builtin())
}

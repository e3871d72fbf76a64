//! All commands: `tallow train`, `eval`, `predict`, `preview`, `check`, `list`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tallow_cli::run(tallow_cli::Registry::builtin())
}

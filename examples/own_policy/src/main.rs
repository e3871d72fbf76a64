//! tallow with two policies of its own: every command, every recipe, and `vignette` and `concat` beside the built-in ones.

mod concat;
mod vignette;

fn main() -> std::process::ExitCode {
    let mut registry = tallow_cli::Registry::builtin();
    registry.push(&vignette::SPEC);
    registry.push(&concat::SPEC);
    tallow_cli::run(registry)
}

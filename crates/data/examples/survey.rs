//! What is at a path: `cargo run -p tallow-data --example survey -- PATH`.

fn main() {
    let path = std::env::args().nth(1).expect("a path");
    let began = std::time::Instant::now();
    let found = tallow_data::survey(path.as_ref(), 2).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{} {:?}\n{:?}\n{:#?}\n{:?}",
        found.source.name, found.options, found.notes, found.facts, found.groups
    );
    println!("{:?}", found.identical.problems());
    println!("{} sets the same to the byte; {:?}", found.identical.0.len(), began.elapsed());
}

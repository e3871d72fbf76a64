//! The arrows between rooms, the folders of a crate, are those of ARCHITECTURE.md.

use crate::lists::below;
use crate::program::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// `policy/engine` → the rooms of its crate that it may use, by the table of ARCHITECTURE.md.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| room | may use |").expect("a table of what each room may use");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let uses = cells[1].split(',').map(|name| name.split('(').next().unwrap().trim().to_owned());
        (cells[0].trim_matches('`').to_owned(), uses.filter(|name| name != "–").collect())
    })
    .collect()
}

/// What `lib.rs` re-exports: name → the room that it is from.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for item in code(lib)
        .split(';')
        .filter_map(|item| item.split_once("pub use ").map(|(_, path)| path.trim().to_owned()))
    {
        let room = item.split("::").next().unwrap().to_owned();
        let listed = item.split_once('{').map(|(_, names)| names);
        let names = listed.unwrap_or_else(|| item.rsplit_once("::").map_or(&item, |(_, name)| name));
        for name in names.trim_matches(['{', '}']).split(',') {
            let name = name.trim().rsplit([' ', ':']).next().unwrap();
            found.insert(name.to_owned(), room.clone());
        }
    }
    found
}

/// A source without comments and without its tests, which stand at the end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join(" ")
}

/// The first names of all paths that begin with `crate::`, those of a `use` with brackets too.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let letters =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(letters(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if depth == 0 && begins && !c.is_whitespace() => {
                    names.insert(letters(&list[i..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    names
}

#[test]
fn the_arrows_between_rooms_are_those_of_the_page() {
    let arrows = arrows();
    let crates: BTreeSet<&str> = arrows.keys().map(|room| room.split('/').next().unwrap()).collect();
    assert!(crates.len() >= 4 && arrows.len() >= 15, "{} rooms of {crates:?}", arrows.len());
    let mut seen = 0;
    for name in crates {
        let source = root().join(format!("crates/{name}/src"));
        let exports = exports(&fs::read_to_string(source.join("lib.rs")).unwrap());
        let folders = fs::read_dir(&source).unwrap().map(|entry| entry.unwrap());
        let folders = folders.filter(|entry| entry.path().is_dir() && entry.path().join("mod.rs").exists());
        for room in folders.map(|folder| folder.file_name().into_string().unwrap()) {
            let may = arrows.get(&format!("{name}/{room}"));
            let may = may.unwrap_or_else(|| panic!("{name}/{room}: a room without a row in ARCHITECTURE.md"));
            for path in below(&source.join(&room), "rs") {
                if path.ends_with("tests.rs") {
                    continue;
                }
                let used = crate_paths(&code(&fs::read_to_string(&path).unwrap()));
                let is_room = |used: &str| arrows.contains_key(&format!("{name}/{used}"));
                for used in &used {
                    // A room by its own name, or by that of what lib.rs exports from it.
                    let used = if is_room(used) { used } else { exports.get(used).unwrap_or(used) };
                    let is_room = is_room(used);
                    seen += usize::from(is_room);
                    assert!(
                        !is_room || *used == room || may.contains(used),
                        "{}: uses {used}",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn paths_are_read() {
    let source = "use crate::{A, b::{C, D}, e}; fn f() { crate::g::h() } // crate::no\n#[cfg(test)]\nmod tests { crate::no }";
    let names: Vec<String> = crate_paths(&code(source)).into_iter().collect();
    assert_eq!(names, ["A", "b", "e", "g"]);
    let exports = exports("pub use engine::{Policy, shares::Shares};\npub use mix::Mix as Mixer;");
    assert_eq!(exports["Policy"], "engine");
    assert_eq!(exports["Mixer"], "mix");
}

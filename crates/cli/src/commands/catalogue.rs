//! `list policies --markdown DIR`: the page of all policies, with a picture of each.

use std::fmt::Write;
use std::path::Path;
use tallow_data::Image;
use tallow_policy::{Built, ImageChain, PRESETS, Registry, Spec};
use tallow_report::{Progress, Sheet, Tile};
use tallow_seed::Seed;
use tallow_train::{Error, Plan};

/// Pictures of a row, and the side of each in pixels.
const COLUMNS: usize = 5;
const SIDE: u32 = 96;
/// What the crops cut out by default.
const CROP: u32 = 64;
const QUALITY: u8 = 75;
/// Of the drawn lesions.
const MEAN: [f64; 3] = [0.702, 0.518, 0.449];

/// What may stand beside a policy's name.
const KEYS: &str = include_str!("catalogue/keys.md");
/// Who has which method, read in their sources.
const PEERS: &str = include_str!("catalogue/peers.md");

const HEAD: &str = "# Policies

Every image policy and every mix, made by `tallow list policies --markdown docs`; `tallow list policies NAME` prints one card. Each
picture has a row of drawn lesions, and below them what the example's policy makes of each (of each and the one before, for a
mix of two). The bar and the line under a picture are the label that it is trained with. In formulas x_i is a row, x_j its partner.

An entry under `images:` or `policies:` is a map with the policy's name; beside it may stand [keys of the engine](#keys-of-the-engine).
`p`, and any number of a policy, may change over the run: `{ from: 0, to: 0.5 }`, with `over: 0.2..0.8` and `shape: cosine` where
wanted.
";

/// Writes DIR/policies.md and DIR/policies/NAME.jpg for every policy of the registry.
pub fn write(folder: &Path, registry: &Registry) -> anyhow::Result<()> {
    let pictures = folder.join("policies");
    let cannot = |path: &Path, error| {
        let problem = format!("cannot be written ({error}); name a folder that you may write to");
        Error::recipe(format!("--markdown {}: {problem}", path.display()))
    };
    std::fs::create_dir_all(&pictures).map_err(|error| cannot(&pictures, error))?;
    let page = folder.join("policies.md");
    std::fs::write(&page, text(registry)?).map_err(|error| cannot(&page, error))?;
    println!("{}", page.display());
    let unmixed = [mixed("[]", IMAGES, registry)?, mixed("[]", MIXES, registry)?];
    for spec in &registry.policies {
        let [images, rows] = &unmixed;
        let before = if spec.is_image() { images } else { rows };
        let path = pictures.join(format!("{}.jpg", spec.name));
        let jpeg = picture(spec, before, registry)?.jpeg(QUALITY)?;
        std::fs::write(&path, jpeg).map_err(|error| cannot(&path, error))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The page, without its pictures.
fn text(registry: &Registry) -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    let images: Vec<&Spec> = registry.images().collect();
    let mixes: Vec<&Spec> = registry.mixes().collect();
    let links = |specs: &[&Spec]| -> String {
        specs.iter().map(|spec| format!("[{0}](#{0})", spec.name)).collect::<Vec<_>>().join(", ")
    };
    writeln!(page, "\n**Mixes**: {}\n\n**Image policies**: {}\n", links(&mixes), links(&images))?;
    page.push_str(KEYS.trim_end());
    page.push('\n');
    for (title, place, specs) in [
        ("Mixes", "They change the rows of a batch at a tap; under `policies:` of a branch.", mixes),
        ("Image policies", "They change one image on the host; under `images:`.", images),
    ] {
        writeln!(page, "\n## {title}\n\n{place}")?;
        for spec in specs {
            card(&mut page, spec)?;
        }
    }
    writeln!(
        page,
        "\n## Presets\n\nCompositions with a name, `policy: NAME` in a recipe; the files are in `policies/`.\n"
    )?;
    writeln!(page, "| preset | what it is |\n|---|---|")?;
    for (name, text) in PRESETS {
        writeln!(page, "| `{name}` | {} |", escaped(&super::list::head(text)))?;
    }
    page.push('\n');
    page.push_str(PEERS);
    Ok(page)
}

fn card(page: &mut String, spec: &Spec) -> anyhow::Result<()> {
    let Spec { name, summary, source, parameters, example, cost, .. } = spec;
    writeln!(page, "\n### {name}\n\n{}\n\n![{name}](policies/{name}.jpg)\n", escaped(summary))?;
    let list = if spec.is_image() { "images" } else { "policies" };
    writeln!(page, "```yaml\n{list}: [ {example} ]\n```\n")?;
    if !parameters.is_empty() {
        writeln!(page, "| parameter | default and range | meaning |\n|---|---|---|")?;
        for (name, range, meaning) in *parameters {
            writeln!(page, "| `{name}` | {} | {} |", escaped(range), escaped(meaning))?;
        }
        writeln!(page)?;
    }
    for line in super::list::composition(spec)? {
        writeln!(page, "- {}", escaped(&line))?;
    }
    writeln!(page, "- cost: {}", escaped(cost))?;
    let presets = super::list::presets_with(name);
    if !presets.is_empty() {
        let presets: Vec<String> = presets.iter().map(|preset| format!("`{preset}`")).collect();
        writeln!(page, "- presets: {}", presets.join(", "))?;
    }
    writeln!(page, "- source: {}", escaped(source))?;
    Ok(())
}

/// Text as Markdown shows it unchanged, but for what stands between backticks.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut code = false;
    for char in text.chars() {
        code ^= char == '`';
        if char == '|' || (!code && "\\_*<[]".contains(char)) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// The lesions of `before`, and below them what comes of them.
fn picture(spec: &Spec, before: &Sheet, registry: &Registry) -> anyhow::Result<Sheet> {
    let node = spec.bare_example().map_err(|mistakes| wrong(spec, &mistakes))?;
    let after: Vec<Tile> = match spec.build(&node[spec.name]).map_err(|mistakes| wrong(spec, &mistakes))? {
        Built::Image(_) => {
            let list = serde_yaml::Value::Sequence(vec![node]);
            let chain = ImageChain::parse(&list, registry, (CROP, CROP), MEAN)
                .map_err(|mistakes| wrong(spec, &mistakes))?;
            let seed = Seed::new(1).fold(spec.name, 0);
            let changed = before.tiles.iter().zip(0..).map(|(tile, row)| -> anyhow::Result<Tile> {
                let image = chain.run(tile.image.clone(), seed.fold("picture", row))?;
                Ok(Tile { image, note: String::new(), shares: Vec::new(), sources: Vec::new() })
            });
            changed.collect::<anyhow::Result<_>>()?
        }
        Built::Mix(mix) => {
            // A row paired with itself would show nothing.
            let pairing = if mix.pairs() { ", pairing: roll" } else { "" };
            let node = serde_json::to_string(&node)?;
            let node = node.strip_suffix('}').unwrap_or(&node);
            mixed(&format!("[ {node}{pairing} }} ]"), MIXES, registry)?.tiles
        }
    };
    let labels = !spec.is_image();
    let bare = |tile: &Tile| Tile {
        image: padded(&tile.image),
        note: String::new(),
        shares: if labels { tile.shares.clone() } else { Vec::new() },
        sources: Vec::new(),
    };
    let tiles = before.tiles.iter().chain(&after).map(bare).collect();
    let classes = before.classes.clone();
    Ok(Sheet { title: String::new(), classes, tiles, matrix: None, columns: Some(COLUMNS), side: Some(SIDE) })
}

/// Seeds of recipes whose [`BATCH`] shows much: dark surroundings; different lesions, and draws far from 0 and 1.
const IMAGES: u64 = 1;
const MIXES: u64 = 5;
const BATCH: u64 = 1;

/// A batch of drawn lesions after these mixes, a list in YAML.
fn mixed(policies: &str, seed: u64, registry: &Registry) -> anyhow::Result<Sheet> {
    let recipe = format!(
        "data: {{ name: synthetic, images: 140, size: {SIDE}, batch: {COLUMNS}, sampler: balanced, workers: 1 }}
model: {{ name: resnet20, input: {SIDE}, mean: {MEAN:?}, std: [0.180, 0.158, 0.148] }}
images: [ {{ resize: [{SIDE}, {SIDE}] }} ]
evaluation: [ {{ resize: [{SIDE}, {SIDE}] }} ]
branches: [ {{ policies: {policies} }} ]
optimizer: {{ sgd: {{}} }}
schedule: {{ constant: {{ lr: 0.1 }} }}
length: 1 epochs
device: cpu
seed: {seed}
"
    );
    let plan = Plan::parse("the page of policies", &recipe, registry)?;
    let mut sheets = tallow_train::preview(plan, BATCH, COLUMNS, &Progress::hidden())?;
    Ok(sheets.remove(0).sheet)
}

/// The same in the middle of a square of [`SIDE`], where it is smaller: pictures of different sizes show as they are.
fn padded(image: &Image) -> Image {
    let (width, height) = (image.width.max(SIDE), image.height.max(SIDE));
    if (width, height) == (image.width, image.height) {
        return image.clone();
    }
    let mut pixels = vec![255; width as usize * height as usize * 3];
    let (left, top) = ((width - image.width) / 2, (height - image.height) / 2);
    let row = image.width as usize * 3;
    for (y, line) in image.pixels.chunks_exact(row).enumerate() {
        let start = ((top as usize + y) * width as usize + left as usize) * 3;
        pixels[start..start + row].copy_from_slice(line);
    }
    Image { width, height, pixels }
}

/// What is wrong with a policy's example.
pub fn wrong(spec: &Spec, mistakes: &[tallow_policy::Mistake]) -> Error {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    Error::recipe(format!("policy `{}`: its example: {}", spec.name, lines.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::KEYS;
    use tallow_policy::{ENGINE_KEYS, Order};

    #[test]
    fn every_key_and_every_order_has_its_row() {
        for name in ENGINE_KEYS.iter().chain(Order::ALL.iter().map(|(name, _)| name)) {
            assert!(KEYS.lines().any(|line| line.starts_with(&format!("| `{name}`"))), "{name}");
        }
        assert!(KEYS.contains("`within_group: false`"));
    }
}

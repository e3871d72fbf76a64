//! What is true of every image policy in the registry, whoever wrote it: a draw is a function of the size and the random numbers,
//! pixels are one of the image and the draw, and neither touches what stands beside it.

use crate::noise;
use serde_yaml::{Mapping, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use tallow_data::Image;
use tallow_policy::{
    Build, ImageChain, ImagePolicy, ModelInput, Numbers, Parsed, Registry, Result, Spec, parameters,
};
use tallow_seed::{Rng, Seed};

const SIZES: [(u32, u32); 3] = [(1, 1), (7, 5), (32, 24)];
const SEEDS: u64 = 5;
const MODEL: ModelInput = ModelInput { size: (20, 16), mean: [0.485, 0.456, 0.406] };

/// The parameters of the card's example and, where nothing is required, none.
fn settings(spec: &Spec) -> Vec<Value> {
    let Build::Image(build) = spec.build else { panic!("{} is a mix", spec.name) };
    let none = Value::Mapping(Mapping::new());
    let example = spec.bare_example().unwrap()[spec.name].clone();
    [example, none].into_iter().filter(|parameters| build(parameters, &MODEL).is_ok()).collect()
}

/// Looks at a policy on every size with every seed: how many of these it was, or what is not true.
fn hold(registry: &Registry, spec: &Spec, parameters: &Value) -> std::result::Result<usize, String> {
    let Build::Image(build) = spec.build else { return Err("is a mix".to_owned()) };
    let made = || build(parameters, &MODEL).unwrap();
    let once = made();
    let mut looked = 0;
    for (size, seed) in SIZES.into_iter().flat_map(|size| (0..SEEDS).map(move |seed| (size, seed))) {
        let told = |what: &str| format!("{what}: {size:?}, seed {seed}, {parameters:?}");
        let image = noise(size.0, size.1, seed);
        let drawn = |policy: &dyn ImagePolicy| {
            let mut rng = Seed::new(seed).fold(spec.name, 1).rng();
            (policy.draw(size, &mut rng), rng.bits())
        };
        let applied = |policy: &dyn ImagePolicy, draw| policy.apply(image.clone(), draw).unwrap();
        let (draw, after) = drawn(&*once);
        if drawn(&*once) != (draw.clone(), after) || drawn(&*made()) != (draw.clone(), after) {
            return Err(told("two draws from equal numbers differ"));
        }
        let pixels = applied(&*once, &draw);
        let elsewhere = || (drawn(&*once).0, applied(&*once, &draw));
        if std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap())
            != (draw.clone(), pixels.clone())
        {
            return Err(told("another thread draws or paints otherwise"));
        }
        if applied(&*once, &draw) != pixels || applied(&*made(), &draw) != pixels {
            return Err(told("one draw, applied twice, gives two images"));
        }
        if pixels.pixels.len() != pixels.width as usize * pixels.height as usize * 3 {
            return Err(told("the pixels are not as many as the size says"));
        }
        if once.output(Some(size)).is_some_and(|output| output != (pixels.width, pixels.height)) {
            return Err(told("another size leaves than `output` says"));
        }
        let untouched = Seed::new(seed).fold(spec.name, 1).rng().bits();
        if !once.random() && (!draw.is_empty() || after != untouched) {
            return Err(told("draws, and says that it is not random"));
        }
        beside(registry, &node(spec.name, parameters, None), &off(spec.name, parameters), &image, seed)
            .map_err(|what| told(&what))?;
        looked += 1;
    }
    Ok(looked)
}

/// `node` and, of chance 0, `off` in a chain: it is the identity, and neither moves a draw of a neighbour.
fn beside(
    registry: &Registry,
    node: &Value,
    off: &Value,
    image: &Image,
    seed: u64,
) -> std::result::Result<(), String> {
    let run = |nodes: &[&Value], image: &Image| {
        let list = Value::Sequence(nodes.iter().map(|node| (*node).clone()).collect());
        let chain = ImageChain::parse(&list, registry, MODEL.size, MODEL.mean).unwrap();
        chain.run(image.clone(), Seed::new(seed)).unwrap()
    };
    let neighbour = serde_yaml::from_str("{ gaussian_noise: { sigma: 0.3 } }").unwrap();
    if run(&[off], image) != *image {
        return Err("with p 0 it is not the identity".to_owned());
    }
    let alone = run(&[node], image);
    if run(&[node, &neighbour], image) != run(&[off, &neighbour], &alone) {
        return Err("it moves the draw of the policy behind it".to_owned());
    }
    // The first draws a factor and changes nothing, the second draws nothing.
    let idle = ["{ color_jitter: { brightness: [1, 1] } }", "{ hair: {}, p: 0 }"];
    let [busy, quiet] = idle.map(|text| run(&[&serde_yaml::from_str(text).unwrap(), node], image));
    if busy != quiet { Err("the policy before it moves its draw".to_owned()) } else { Ok(()) }
}

fn node(name: &str, parameters: &Value, p: Option<f64>) -> Value {
    let chance = p.map(|p| (Value::from("p"), Value::from(p)));
    Value::Mapping([(Value::from(name), parameters.clone())].into_iter().chain(chance).collect())
}

/// The node that never happens. A `p` among the parameters makes way for the one beside them.
fn off(name: &str, parameters: &Value) -> Value {
    let mut parameters = parameters.clone();
    if let Value::Mapping(parameters) = &mut parameters {
        parameters.remove("p");
    }
    node(name, &parameters, Some(0.0))
}

#[test]
fn every_policy_is_its_draw_and_its_image() {
    let registry = Registry::builtin();
    let (mut policies, mut with_settings, mut looked) = (0, 0, 0);
    for spec in registry.images() {
        for parameters in settings(spec) {
            looked +=
                hold(&registry, spec, &parameters).unwrap_or_else(|what| panic!("{}: {what}", spec.name));
            with_settings += 1;
        }
        policies += 1;
    }
    println!("{policies} image policies, {with_settings} settings, {looked} of size and seed");
    assert_eq!(looked, with_settings * SIZES.len() * SEEDS as usize);
    // The example of each, and no parameters where none is required.
    let required = |spec: &&Spec| spec.parameters.iter().any(|(_, range, _)| range.starts_with("required"));
    let without = registry.images().filter(required).count();
    assert_eq!((policies, with_settings), (registry.images().count(), 2 * policies - without));
}

/// A policy that breaks the rule that `breaks` names.
static BROKEN: Spec = Spec {
    name: "broken",
    summary: "breaks a rule",
    source: "the tests",
    parameters: &[("breaks", "required", "the rule")],
    example: "{ broken: { breaks: none } }",
    cost: "nothing",
    spatial: true,
    build: Build::Image(broken),
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    breaks: String,
}

fn broken(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Broken>(value)?))
}

/// How often broken policies were used: what a policy must not know.
static USES: AtomicU64 = AtomicU64::new(0);

impl ImagePolicy for Broken {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        match self.breaks.as_str() {
            "counts its draws" => vec![USES.fetch_add(1, Ordering::Relaxed) as f64],
            "draws too much" => {
                vec![0.0; 1 + (rng.bits() % 2 + USES.fetch_add(1, Ordering::Relaxed) % 2) as usize]
            }
            "draws in secret" => vec![rng.uniform()],
            _ => vec![],
        }
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        match self.breaks.as_str() {
            "counts its images" => {
                // The first two alike, then two others.
                image.pixels[0] = u8::from(USES.fetch_add(1, Ordering::Relaxed) % 4 > 1);
            }
            "knows its thread" => image.pixels[0] = u8::from(std::thread::current().name().is_none()),
            "loses a pixel" => image.pixels.truncate(image.pixels.len() - 3),
            "grows" => {
                image.width *= 2;
                image.pixels.extend_from_within(..);
            }
            _ => {}
        }
        Ok(image)
    }

    fn random(&self) -> bool {
        self.breaks != "draws in secret"
    }
}

#[test]
fn a_policy_that_breaks_a_rule_is_found() {
    let mut registry = Registry::builtin();
    registry.push(&BROKEN);
    let tried = |breaks: &str| {
        let parameters = Mapping::from_iter([(Value::from("breaks"), Value::from(breaks))]);
        USES.store(0, Ordering::Relaxed);
        hold(&registry, &BROKEN, &Value::Mapping(parameters))
    };
    assert_eq!(tried("none"), Ok(SIZES.len() * SEEDS as usize));
    for (breaks, said) in [
        ("counts its draws", "two draws from equal numbers differ"),
        ("draws too much", "two draws from equal numbers differ"),
        ("counts its images", "gives two images"),
        ("knows its thread", "another thread"),
        ("loses a pixel", "not as many as the size says"),
        ("grows", "another size leaves"),
        ("draws in secret", "says that it is not random"),
    ] {
        let found = tried(breaks).expect_err(breaks);
        assert!(found.contains(said), "{breaks}: {found}");
    }
}

//! What the cards say of parameters is what the policies read: names, defaults, the short form.

use crate::setting::noise;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;
use tallow_data::Image;
use tallow_policy::{BUILTIN, Build, Mistake, MixContext, Mixing, ModelInput, Numbers, Parsed, Spec};
use tallow_seed::Seed;

const MODEL: ModelInput = ModelInput { size: (20, 16), mean: [0.485, 0.456, 0.406] };
const SEEDS: u64 = 12;

/// What a policy does with the numbers of a few seeds: to noise and to a bright disc, or to a batch.
#[derive(PartialEq)]
enum Effect {
    Images(Vec<(Numbers, Image)>),
    Rows(Vec<Mixing>),
}

fn effect(spec: &Spec, parameters: &Value) -> Parsed<Effect> {
    effect_of(spec, parameters, SEEDS)
}

fn effect_of(spec: &Spec, parameters: &Value, seeds: u64) -> Parsed<Effect> {
    let rng = |seed| Seed::new(seed).fold(spec.name, 2).rng();
    Ok(match spec.build {
        Build::Image(build) => {
            let policy = build(parameters, &MODEL)?;
            let one = |seed| {
                let image = image(seed);
                let draw = policy.draw((image.width, image.height), &mut rng(seed));
                let out = policy.apply(image, &draw).unwrap();
                (draw, out)
            };
            Effect::Images((0..seeds).map(one).collect())
        }
        Build::Mix(build) => {
            let mix = build(parameters)?;
            let (values, gradient) = (noise("values", &[8, 3, 9, 12]), noise("gradient", &[8, 3, 9, 12]));
            let context = MixContext {
                classes: &[0, 1, 2, 3, 0, 1, 0, 0],
                groups: &[None; 8],
                n_classes: 4,
                size: Some((9, 12)),
                partners: &[7, 0, 1, 2, 3, 4, 5, 6],
                within_group: true,
                progress: 0.5,
                values: Some(&values),
                input_gradient: Some(&gradient),
            };
            Effect::Rows((0..seeds).map(|seed| mix.draw(&context, &mut rng(seed)).unwrap()).collect())
        }
    })
}

/// 96 by 80 pixels of coloured noise; every second one is dark outside a disc, a fifth as bright as inside.
fn image(seed: u64) -> Image {
    let (width, height) = (96, 80);
    let mut rng = Seed::new(seed).fold("image", 0).rng();
    let mut pixels = Vec::new();
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let outside = (x - 50i32).pow(2) + (y - 42i32).pow(2) > 30 * 30;
        let bright = if outside && seed % 2 == 1 { 0.2 } else { 1.0 };
        pixels.extend([0.0, 20.0, 55.0].map(|tint| (bright * (tint + 200.0 * rng.uniform())) as u8));
    }
    Image { width: width as u32, height: height as u32, pixels }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The words of a range between its commas, outside of brackets: `0.5; in [0, 1]` is `0.5` and `in`.
fn words(range: &str) -> Vec<&str> {
    let (mut words, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in range.char_indices() {
        let ends =
            [",", ";", " or ", " ("].into_iter().find(|end| depth == 0 && range[at..].starts_with(end));
        if let Some(end) = ends {
            words.push(range[start.min(at)..at].trim());
            start = at + end.len();
        }
        depth += i32::from("[{(".contains(c)) - i32::from("]})".contains(c));
    }
    words.push(range[start..].trim());
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// The default as it would be written in a recipe for [`MODEL`]. `None` where there is none: the parameter is required, or
/// its absence is a behaviour of its own.
fn written(range: &str) -> Option<Value> {
    match words(range)[0] {
        "required" | "drawn" => None,
        "the model's input" => Some(yaml("[16, 20]")),
        "half the shorter side of the model's input" => Some(yaml("8")),
        "the model's mean" => Some(yaml("[124, 116, 104]")), // 255 · mean, rounded
        default => Some(yaml(default)),
    }
}

/// Other values, of which a policy takes some.
fn others(value: Option<&Value>, range: &str) -> Vec<Value> {
    let mut others: Vec<Value> = match value {
        Some(Value::Number(x)) => {
            let x = x.as_f64().unwrap();
            [x / 2.0, x - 1.0, x + 1.0].into_iter().map(number).collect()
        }
        Some(Value::Sequence(items)) => {
            let halves = |whole: bool| {
                let half = items.iter().map(|item| item.as_f64().unwrap() / 2.0);
                Value::Sequence(half.map(|x| number(if whole { x.floor() } else { x })).collect())
            };
            vec![halves(false), halves(true)]
        }
        Some(Value::Bool(x)) => vec![Value::from(!x)],
        _ => vec![],
    };
    let bare = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    others.extend(words(range).into_iter().skip(1).filter(bare).map(yaml));
    others.extend(["0.25", "1", "2", "3"].map(yaml));
    others
}

fn number(x: f64) -> Value {
    if x.fract() == 0.0 { Value::from(x as i64) } else { Value::from(x) }
}

fn with(parameters: &Mapping, key: &str, value: &Value) -> Value {
    let mut parameters = parameters.clone();
    parameters.insert(Value::from(key), value.clone());
    Value::Mapping(parameters)
}

/// The parameters of the card's example, in full: a value that is no mapping is that of the first.
fn example(spec: &Spec) -> Mapping {
    match spec.bare_example().unwrap()[spec.name].clone() {
        Value::Mapping(parameters) => parameters,
        short => Mapping::from_iter([(Value::from(spec.parameters[0].0), short)]),
    }
}

/// Parameters of some policies beside which others are seen, where neither the defaults nor the example show them.
fn more(spec: &Spec) -> Mapping {
    match spec.name {
        "randaugment" => serde_yaml::from_str("{ num_magnitude_bins: 1000, magnitude: 0 }").unwrap(),
        "linear" => serde_yaml::from_str("{ weights: uniform_simplex }").unwrap(),
        _ => Mapping::new(),
    }
}

#[test]
fn the_names_are_the_keys_that_are_read() {
    let mut names = 0;
    for spec in BUILTIN {
        let listed: BTreeSet<&str> = spec.parameters.iter().map(|(name, ..)| *name).collect();
        assert_eq!(listed.len(), spec.parameters.len(), "{}: a parameter twice", spec.name);
        let Err(mistakes) = effect(spec, &yaml("{ no_such_key: 1 }")) else {
            panic!("{} takes any key", spec.name)
        };
        let [Mistake { message, .. }] = mistakes.as_slice() else { panic!("{}: {mistakes:?}", spec.name) };
        let known: BTreeSet<&str> = match message.split_once("known: ") {
            Some((_, known)) => known.split(", ").collect(),
            None => BTreeSet::new(),
        };
        assert!(message.starts_with("unknown key `no_such_key`; "), "{}: {message}", spec.name);
        assert_eq!(known, listed, "{}: {message}", spec.name);
        names += listed.len();
    }
    println!("{names} parameters of {} policies", BUILTIN.len());
    assert!(names >= 100, "{names}");
}

/// Written out, a default changes nothing; another value does, or the comparison would say nothing.
#[test]
fn the_defaults_are_those_that_are_written() {
    let (mut defaults, mut none, mut blind) = (0, Vec::new(), Vec::new());
    for (spec, (name, range, _)) in
        BUILTIN.iter().flat_map(|spec| spec.parameters.iter().map(move |parameter| (*spec, parameter)))
    {
        let what = format!("{}.{name}: {range}", spec.name);
        let default = written(range);
        let given = example(spec).remove(*name);
        let beside = |mut parameters: Mapping| {
            parameters.remove(*name);
            parameters
        };
        let bases = [Mapping::new(), example(spec), more(spec)].map(beside);
        let effects = bases.each_ref().map(|base| effect(spec, &Value::Mapping(base.clone())).ok());
        match &default {
            Some(default) => {
                for (base, effect_without) in bases.iter().zip(&effects) {
                    let same = effect(spec, &with(base, name, default)).ok() == *effect_without;
                    assert!(same, "{what}: another default is read, beside {base:?}");
                }
                defaults += 1;
            }
            None if range.starts_with("required") => {
                assert!(effects.iter().all(Option::is_none), "{what}: it is not");
                none.push(what.clone());
            }
            None => none.push(what.clone()),
        }
        // What is required changes from the example's value.
        let required = given.as_ref().filter(|_| default.is_none()).map(|given| with(&bases[1], name, given));
        let required = required.and_then(|parameters| effect(spec, &parameters).ok());
        let value = default.as_ref().or(given.as_ref());
        let seen = others(value, range).iter().any(|other| {
            (0..bases.len()).any(|i| {
                let changed = effect(spec, &with(&bases[i], name, other)).ok();
                let reference = effects[i].as_ref().or(required.as_ref());
                changed.is_some() && reference.is_some() && changed.as_ref() != reference
            })
        });
        if !seen {
            blind.push(what);
        }
    }
    assert!(
        blind.is_empty(),
        "no other value changes anything; give an example in which one does, or `more`: {blind:#?}"
    );
    println!("{defaults} defaults; without one: {none:?}");
    assert!(defaults >= 100 && none.len() <= defaults / 20, "{defaults} defaults, without one {none:?}");
}

/// `from 0.5 to 2` in a range: (0.5, 2).
fn bounds(range: &str) -> Option<(f64, f64)> {
    let (_, rest) = range.rsplit_once("from ")?;
    let (low, rest) = rest.split_once(" to ")?;
    let number = |text: &str| text.replace('−', "-").parse::<f64>().ok();
    Some((number(low)?, number(rest.split([',', ')']).next()?)?))
}

/// The bounds of a card are taken, what is beyond them is not; and every number has some. A number is tried alone, in pairs and in
/// threes, beside every base.
#[test]
fn the_bounds_are_those_that_are_read() {
    let mut tried = 0;
    for (spec, (name, range, _)) in
        BUILTIN.iter().flat_map(|spec| spec.parameters.iter().map(move |parameter| (*spec, parameter)))
    {
        let what = format!("{}.{name}: {range}", spec.name);
        let Some((low, high)) = bounds(range) else {
            let is_number =
                written(range).is_some_and(|default| default.is_number() || default.is_sequence());
            assert!(!is_number, "{what}: expected `from … to …`");
            continue;
        };
        let bases = [Mapping::new(), example(spec), more(spec)];
        let taken = |x: f64| {
            let x = number(x);
            let forms = [x.clone(), Value::Sequence(vec![x.clone(); 2]), Value::Sequence(vec![x; 3])];
            let all = forms.iter().flat_map(|form| bases.iter().map(|base| with(base, name, form)));
            all.into_iter().find(|parameters| spec.build(parameters).is_ok())
        };
        assert!(low < high && taken(low).is_some(), "{what}: {low} is not taken");
        let largest = taken(high).unwrap_or_else(|| panic!("{what}: {high} is not taken"));
        for beyond in [low - 1.0, low - 0.001, high + 0.001, high + 1.0, high * 1e6, 1e300] {
            assert!(taken(beyond).is_none(), "{what}: {beyond} is taken");
        }
        if *name != "size" {
            effect_of(spec, &largest, 1).unwrap();
        }
        tried += 1;
    }
    println!("{tried} bounds");
    assert!(tried >= 90, "{tried}");
}

/// `{ resize: 256 }`: what is no mapping is the first parameter, which `p` beside the policy relies on.
#[test]
fn a_value_alone_is_that_of_the_first_parameter() {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for spec in BUILTIN {
        let Some((first, range, _)) = spec.parameters.first() else { continue };
        let example = example(spec);
        let value = example.get(*first).cloned().or_else(|| written(range)).unwrap();
        if value.is_mapping() {
            continue;
        }
        match effect(spec, &value) {
            Ok(alone) => {
                let named = effect(spec, &with(&Mapping::new(), first, &value)).ok();
                assert!(named == Some(alone), "{}: a value alone is not its `{first}`", spec.name);
                short.push(spec.name);
            }
            Err(mistakes) => {
                let said = &mistakes[0].message;
                assert!(said.starts_with("expected a mapping of "), "{} alone: {said}", spec.name);
                long.push(spec.name);
            }
        }
    }
    println!("{} of a value alone, {} of mappings only", short.len(), long.len());
    assert!(short.len() >= 20 && long.contains(&"mixup"), "{short:?}, {long:?}");
}

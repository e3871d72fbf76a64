//! Files of PyTorch, other libraries' names, and tensors made to fit: `tests/golden/weights.py` makes the files.

use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tallow_models::weights::{self, Head, adapt_input, import, resample_positions};
use tallow_models::{ModelOptions, ModelSpec, Params, Peer, find};
use tallow_seed::Seed;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/weights").join(name)
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[test]
fn files_of_pytorch_are_read() {
    let expected = weights::read(&golden("expected.safetensors")).unwrap().tensors;
    assert_eq!(expected.len(), 7);
    for (file, prefix, note) in [
        ("zip.pth", "", None),
        ("stream.pth", "", None),
        ("nested.pth", "module.", Some("the tensors are those of `state_dict` in the file")),
        ("training.pth", "", Some("the tensors are those of `model` in the file")),
    ] {
        let found = weights::read(&golden(file)).unwrap();
        assert_eq!(found.notes.first().map(String::as_str), note, "{file}");
        assert_eq!(found.tensors.len(), 7, "{file}");
        for (name, tensor) in &expected {
            let got = &found.tensors[&format!("{prefix}{name}")];
            assert_eq!((got.dims(), got.dtype()), (tensor.dims(), tensor.dtype()), "{file}: {name}");
            assert_eq!(numbers(got), numbers(tensor), "{file}: {name}");
        }
    }
}

/// Of PyTorch before 0.4: storages that are parts of others.
#[test]
fn views_of_storages_are_read() {
    let found = weights::read(&golden("views.pth")).unwrap().tensors;
    let row = |from: u8, to: u8| (from..=to).map(f64::from).collect::<Vec<_>>();
    assert_eq!((found["whole"].dims(), numbers(&found["whole"])), (&[3, 2][..], row(2, 7)));
    assert_eq!((found["part"].dims(), numbers(&found["part"])), (&[2, 3][..], row(6, 11)));
}

#[test]
fn what_is_no_dictionary_of_tensors_says_so() {
    let refused = |path: &Path, words: &str| {
        let error =
            weights::read(path).err().unwrap_or_else(|| panic!("{} was read", path.display())).to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(words), "{error}");
    };
    refused(&golden("object.pth"), "holds a whole object; expected a state dict – in Python: `torch.save(");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    for file in ["zip.pth", "stream.pth"] {
        let whole = std::fs::read(golden(file)).unwrap();
        // However a file is cut, there is an answer.
        for length in (5..whole.len()).step_by(37) {
            std::fs::write(&path, &whole[..length]).unwrap();
            refused(&path, "orch");
        }
    }
    std::fs::write(&path, b"\x80\x02}q\x00.").unwrap();
    refused(&path, "a pickle, but none of `torch.save`");
    // What it would run is left aside, as everything that is no tensor.
    let found = weights::read(&golden("code.pth")).unwrap();
    assert_eq!(found.tensors.keys().collect::<Vec<_>>(), ["weight"]);
}

#[test]
fn shapes_are_made_to_fit_as_timm_does() {
    let golden = weights::read(&golden("fit.safetensors")).unwrap().tensors;
    let same = |got: Tensor, name: &str| {
        assert_eq!(got.dims(), golden[name].dims(), "{name}");
        for (a, b) in numbers(&got).iter().zip(numbers(&golden[name])) {
            assert!((a - b).abs() < 2e-6, "{name}: {a} {b}");
        }
    };
    for channels in [1, 2, 5] {
        same(adapt_input(&golden["conv"], channels).unwrap(), &format!("conv.{channels}"));
    }
    for side in [2, 3, 7] {
        same(resample_positions(&golden["positions"], 1, side).unwrap(), &format!("positions.{side}"));
    }
    same(resample_positions(&golden["distilled"], 2, 4).unwrap(), "distilled.4");
}

fn model(spec: &ModelSpec, options: &ModelOptions, seed: u64) -> Params {
    let mut params = Params::new(Seed::new(seed), DType::F32, &Device::Cpu);
    (spec.build)(&mut params, options).unwrap();
    params
}

fn save(tensors: BTreeMap<String, Tensor>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.safetensors");
    weights::save(&tensors, &path, &BTreeMap::new()).unwrap();
    (folder, path)
}

fn assert_equal(a: &Params, b: &Params) {
    let (a, b) = (a.tensors().unwrap(), b.tensors().unwrap());
    a.iter().for_each(|(name, tensor)| assert_eq!(numbers(tensor), numbers(&b[name]), "{name}"));
}

/// resnet20 as a library might have it that calls its layers otherwise and its head a convolution.
fn foreign() -> ModelSpec {
    let tensor = |name: &str| name.replace("layer", "blocks.").replace("fc.", "head.fc.");
    ModelSpec { timm: Some(Peer { name: "other20", tensor }), ..*find("resnet20").unwrap() }
}

fn renamed(params: &Params) -> BTreeMap<String, Tensor> {
    let tensor = foreign().timm.unwrap().tensor;
    params.tensors().unwrap().into_iter().map(|(name, value)| (tensor(&name), value)).collect()
}

#[test]
fn the_names_that_fit_best_are_taken() {
    let spec = foreign();
    let options = ModelOptions::new(7);
    let (from, to) = (model(&spec, &options, 1), model(&spec, &options, 2));
    from.counts["bn1.num_batches_tracked"].set(5);
    let mut theirs = renamed(&from);
    let head = theirs["head.fc.weight"].reshape((7, 64, 1, 1)).unwrap();
    theirs.insert("head.fc.weight".into(), head);
    let wrapped = theirs.clone().into_iter().map(|(name, value)| (format!("module.{name}"), value)).collect();
    let (_folder, path) = save(wrapped);
    let report = import(&to, &spec, &path, Head::MustFit).unwrap();
    assert_equal(&from, &to);
    assert_eq!(to.counts["bn1.num_batches_tracked"].value(), 5);
    assert_eq!(
        report.notes,
        [
            "all names in the file begin with `module.`: taken off",
            "the names of its tensors are timm's",
            "of the same elements in another shape in the file: 1 tensor(s)",
        ]
    );
    // The difference is in the file's words.
    theirs.remove("blocks.1.0.bn1.weight");
    theirs.insert("blocks.9".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    let transposed = theirs["blocks.2.0.conv1.weight"].transpose(0, 1).unwrap().contiguous().unwrap();
    theirs.insert("blocks.2.0.conv1.weight".into(), transposed);
    let (_folder, path) = save(theirs);
    let error = import(&to, &spec, &path, Head::ReplaceIfClassesDiffer).unwrap_err().to_string();
    assert_eq!(
        error.lines().skip(1).collect::<Vec<_>>(),
        [
            "  - blocks.1.0.bn1.weight (here layer1.0.bn1.weight) [16]",
            "  + blocks.9 [3]",
            "  ~ blocks.2.0.conv1.weight (here layer2.0.conv1.weight) [32, 16, 3, 3]: [16, 32, 3, 3] in the file",
        ]
    );
    assert_equal(&from, &to);
}

#[test]
fn a_convolutional_head_of_other_classes_is_replaced() {
    let spec = foreign();
    let (from, to) = (model(&spec, &ModelOptions::new(10), 1), model(&spec, &ModelOptions::new(7), 2));
    let mut theirs = renamed(&from);
    let head = theirs["head.fc.weight"].reshape((10, 64, 1, 1)).unwrap();
    theirs.insert("head.fc.weight".into(), head);
    let (_folder, path) = save(theirs);
    let report = import(&to, &spec, &path, Head::ReplaceIfClassesDiffer).unwrap();
    assert_eq!(report.head.as_deref(), Some("head fc: 10 classes in the file, 7 here"));
    assert_eq!(numbers(to.trainable["conv1.weight"].var()), numbers(from.trainable["conv1.weight"].var()));
}

#[test]
fn a_first_convolution_of_other_channels_is_adapted() {
    let spec = find("resnet18").unwrap();
    let with = |channels, seed| model(spec, &ModelOptions { channels, ..ModelOptions::new(2) }, seed);
    let from = with(3, 1);
    let (_folder, path) = save(from.tensors().unwrap());
    for (channels, how) in [(1, "summed"), (4, "repeated and scaled")] {
        let to = with(channels, 2);
        let refused = import(&to, spec, &path, Head::MustFit).unwrap_err().to_string();
        assert!(refused.contains("~ conv1.weight [64,"), "{refused}");
        let report = import(&to, spec, &path, Head::ReplaceIfClassesDiffer).unwrap();
        let note =
            format!("first convolution conv1, channels: 3 in the file, {channels} here: {how}, as timm does");
        assert_eq!(report.notes, [note]);
        let expected = adapt_input(from.trainable["conv1.weight"].var(), channels).unwrap();
        assert_eq!(numbers(to.trainable["conv1.weight"].var()), numbers(&expected));
    }
}

#[test]
fn a_backbone_behind_a_prefix_and_without_a_head_is_taken() {
    let spec = find("resnet20").unwrap();
    let (from, to) = (model(spec, &ModelOptions::new(10), 1), model(spec, &ModelOptions::new(7), 2));
    let all = from.tensors().unwrap();
    let mut theirs: BTreeMap<String, Tensor> = all
        .into_iter()
        .filter(|(name, _)| !name.starts_with("fc."))
        .map(|(name, value)| (format!("encoder_q.{name}"), value))
        .collect();
    theirs.insert("projection.weight".into(), Tensor::zeros((3, 3), DType::F32, &Device::Cpu).unwrap());
    let (_folder, path) = save(theirs);
    let report = import(&to, spec, &path, Head::ReplaceIfClassesDiffer).unwrap();
    assert_eq!(report.notes, ["the tensors are those under `encoder_q.` in the file, 1 others left aside"]);
    assert_eq!(report.head.as_deref(), Some("the file has no head"));
    assert_eq!(numbers(to.trainable["conv1.weight"].var()), numbers(from.trainable["conv1.weight"].var()));
    assert!(import(&to, spec, &path, Head::MustFit).is_err());
}

#[test]
fn names_are_replaced_by_whole_segments() {
    let spec = find("resnet20").unwrap();
    let (from, to) = (model(spec, &ModelOptions::new(7), 1), model(spec, &ModelOptions::new(7), 2));
    let all = from.tensors().unwrap();
    let theirs = |name: String| {
        format!("module.net.{}", name.replace("fc.", "linear.").replace("layer3.1", "layer3.last"))
    };
    let (_folder, path) = save(all.into_iter().map(|(name, value)| (theirs(name), value)).collect());
    let pairs = |list: &[(&str, &str)]| {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
    };
    let load = |list: &[(&str, &str)]| weights::import_renamed(&to, spec, &path, Head::MustFit, &pairs(list));
    // The longest prefix wins: `net` is for what no other takes.
    let report = load(&[("net", ""), ("net.linear", "fc"), ("net.layer3.last", "layer3.1")]).unwrap();
    assert_equal(&from, &to);
    let (unwrapped, renamed) = (&report.notes[0], &report.notes[1]);
    assert!(unwrapped.contains("begin with `module.`"), "{unwrapped}");
    let names = from.trainable.len() + from.buffers.len() + from.counts.len();
    assert_eq!(*renamed, format!("renamed as model.rename says: {names} tensor(s)"));
    let refused = |list: &[(&str, &str)], words: &str| {
        let error = load(list).unwrap_err();
        assert!(matches!(error, tallow_models::Error::Option(_)), "{error:?}");
        assert!(error.to_string().ends_with(words), "{error}");
    };
    // Half a segment is none.
    refused(
        &[("net.lin", "fc")],
        "begins with `net.lin`; there are net.bn1, net.conv1, net.layer1, net.layer2, net.layer3, net.linear",
    );
    refused(&[("linear", "fc")], "no name in the file begins with `linear`; there are net");
    refused(
        &[("net.layer3.0.bn1", "net.layer3.0.bn2")],
        "become `net.layer3.0.bn2.bias`, such as net.layer3.0.bn2.bias",
    );
}

#[test]
fn many_differences_are_told_by_stage() {
    let (from, to) = (
        model(find("resnet20").unwrap(), &ModelOptions::new(7), 1),
        model(find("resnet32").unwrap(), &ModelOptions::new(7), 2),
    );
    let (_folder, path) = save(from.tensors().unwrap());
    let error = import(&to, find("resnet32").unwrap(), &path, Head::MustFit).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert_eq!(lines[0], "  - 20 of layer1, such as layer1.3.bn1.bias [16]");
}

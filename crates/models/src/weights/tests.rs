use super::*;
use crate::{ModelOptions, Stem, find};
use tallow_seed::Seed;

fn model(classes: usize, seed: u64) -> Params {
    let mut params = Params::new(Seed::new(seed), DType::F32, &Device::Cpu);
    (find("resnet20").unwrap().build)(&mut params, &ModelOptions::new(classes)).unwrap();
    params
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap()
}

fn snapshot(params: &Params) -> Vec<(String, Vec<f32>)> {
    params.tensors().unwrap().iter().map(|(name, tensor)| (name.clone(), numbers(tensor))).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_is_saved_comes_back_with_counts_and_metadata() {
    let (folder, from, to) = (folder(), model(7, 1), model(7, 2));
    let path = folder.path().join("model.safetensors");
    from.counts["bn1.num_batches_tracked"].set(41);
    let metadata =
        BTreeMap::from([("seed".to_owned(), "1".to_owned()), ("commit".to_owned(), "\"é\n".to_owned())]);
    save(&from.tensors().unwrap(), &path, &metadata).unwrap();
    assert_ne!(snapshot(&from), snapshot(&to));
    let report = load(&to, &path, Head::MustFit).unwrap();
    assert_eq!(snapshot(&from), snapshot(&to));
    assert_eq!(to.counts["bn1.num_batches_tracked"].value(), 41);
    // 19 convolutions, 19 norms of two parameters and two buffers, weight and bias of the head.
    assert_eq!(report, LoadReport { loaded: 19 + 19 * 4 + 2, metadata, ..LoadReport::default() });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn the_file_is_what_the_library_reads_and_its_bytes_do_not_change() {
    let folder = folder();
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    let metadata: BTreeMap<_, _> = (0..40).map(|i| (format!("key {i}"), format!("{i}"))).collect();
    save(&model(7, 1).tensors().unwrap(), &one, &metadata).unwrap();
    save(&model(7, 1).tensors().unwrap(), &two, &metadata).unwrap();
    let bytes = std::fs::read(&one).unwrap();
    assert_eq!(bytes, std::fs::read(&two).unwrap());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let count = file.tensor("bn1.num_batches_tracked").unwrap();
    assert_eq!((count.dtype(), count.shape()), (safetensors::Dtype::I64, &[][..]));
    let conv = file.tensor("conv1.weight").unwrap();
    assert_eq!((conv.dtype(), conv.shape()), (safetensors::Dtype::F32, &[16, 3, 3, 3][..]));
    assert_eq!(file.len(), 19 + 19 * 5 + 2);
}

#[cfg(unix)]
#[test]
fn the_file_has_the_mode_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let (path, other) = (folder.path().join("model.safetensors"), folder.path().join("other"));
    save(&model(7, 1).tensors().unwrap(), &path, &BTreeMap::new()).unwrap();
    std::fs::write(&other, "").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn a_strided_tensor_is_written_in_its_order() {
    let folder = folder();
    let path = folder.path().join("x");
    let tensor = Tensor::new(&[[1f64, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap().t().unwrap();
    save(&BTreeMap::from([("x".to_owned(), tensor)]), &path, &BTreeMap::new()).unwrap();
    let back = read(&path).unwrap().tensors["x"].to_vec2::<f64>().unwrap();
    assert_eq!(back, [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]);
}

#[test]
fn every_float_type_is_read_into_that_of_the_model() {
    let folder = folder();
    for (dtype, error) in [(DType::F64, 0.0), (DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        let (from, to, path) = (model(7, 1), model(7, 2), folder.path().join("model.safetensors"));
        let mut tensors = from.tensors().unwrap();
        for (name, tensor) in &mut tensors {
            if !name.ends_with("num_batches_tracked") {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
        }
        save(&tensors, &path, &BTreeMap::new()).unwrap();
        load(&to, &path, Head::MustFit).unwrap();
        assert_eq!(to.trainable["conv1.weight"].var().dtype(), DType::F32);
        for ((_, a), (_, b)) in snapshot(&from).iter().zip(&snapshot(&to)) {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() <= error * a.abs() + 1e-7, "{dtype:?}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_head_by_another_name_is_proposed_a_rename() {
    let (folder, from, to) = (folder(), model(10, 1), model(7, 2));
    let path = folder.path().join("model.safetensors");
    let tensors = from.tensors().unwrap().into_iter();
    let tensors: BTreeMap<_, _> =
        tensors.map(|(name, tensor)| (name.replace("fc.", "linear."), tensor)).collect();
    save(&tensors, &path, &BTreeMap::new()).unwrap();
    let error = load(&to, &path, Head::ReplaceIfClassesDiffer).unwrap_err().to_string();
    let remedy = "the head may be `linear`: write `rename: { linear: fc }` below model (model.rename)\n  + linear.bias [10]";
    assert!(error.contains(remedy), "{error}");
    let mut more = tensors;
    more.insert("linear.scale".to_owned(), Tensor::zeros(10, DType::F32, &Device::Cpu).unwrap());
    save(&more, &path, &BTreeMap::new()).unwrap();
    let error = load(&to, &path, Head::ReplaceIfClassesDiffer).unwrap_err().to_string();
    assert!(!error.contains("rename"), "{error}");
}

#[test]
fn a_head_of_other_classes_is_kept_where_that_is_allowed() {
    let (folder, from, to) = (folder(), model(10, 1), model(7, 2));
    let path = folder.path().join("model.safetensors");
    save(&from.tensors().unwrap(), &path, &BTreeMap::new()).unwrap();
    let before = snapshot(&to);
    let error = load(&to, &path, Head::MustFit).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: the tensors do not fit the model (- missing, + unexpected, ~ different)\n  \
             ~ fc.bias [7]: [10] in the file\n  ~ fc.weight [7, 64]: [10, 64] in the file",
            path.display()
        )
    );
    assert_eq!(snapshot(&to), before, "nothing is set when something does not fit");

    let fresh = numbers(to.trainable["fc.weight"].var());
    let report = load(&to, &path, Head::ReplaceIfClassesDiffer).unwrap();
    let said = "head fc: 10 classes in the file, 7 here";
    assert_eq!(report.head.as_deref(), Some(said));
    assert_eq!(report.loaded, 19 + 19 * 4);
    assert_eq!(numbers(to.trainable["fc.weight"].var()), fresh);
    assert_eq!(numbers(to.trainable["conv1.weight"].var()), numbers(from.trainable["conv1.weight"].var()));
    // As many classes: the head is loaded.
    let same = model(10, 3);
    assert_eq!(load(&same, &path, Head::ReplaceIfClassesDiffer).unwrap().head, None);
    assert_eq!(snapshot(&same), snapshot(&from));
}

#[test]
fn what_does_not_fit_is_listed_and_nothing_is_set() {
    let (folder, to) = (folder(), model(7, 2));
    let path = folder.path().join("model.safetensors");
    let mut tensors = model(10, 1).tensors().unwrap();
    tensors.remove("bn1.running_mean");
    let other = Tensor::zeros((16, 1, 3, 3), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("conv1.weight".into(), other.clone());
    tensors.insert("layer9.0.conv1.weight".into(), other);
    tensors.insert("bn1.bias".into(), Tensor::zeros(16, DType::U32, &Device::Cpu).unwrap());
    save(&tensors, &path, &BTreeMap::new()).unwrap();
    let before = snapshot(&to);
    let error = load(&to, &path, Head::ReplaceIfClassesDiffer).unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)));
    let lines: Vec<String> = error.to_string().lines().skip(1).map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "  - bn1.running_mean [16]",
            "  + layer9.0.conv1.weight [16, 1, 3, 3]",
            "  ~ bn1.bias: expected floats, the file has U32",
            "  ~ conv1.weight [16, 3, 3, 3]: [16, 1, 3, 3] in the file",
        ]
    );
    assert_eq!(snapshot(&to), before);
}

#[test]
fn a_long_difference_is_told_by_stage_and_a_known_layout_named() {
    let (folder, to) = (folder(), model(7, 2));
    let path = folder.path().join("model.safetensors");
    let tensors = model(7, 1).tensors().unwrap();
    let tensors = tensors.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    save(&tensors, &path, &BTreeMap::new()).unwrap();
    let error = load(&to, &path, Head::MustFit).unwrap_err().to_string();
    assert!(error.contains("its names begin with `module.`"), "{error}");
    assert!(error.contains("\n  + 97 of module, such as module.bn1.bias [16]"), "{error}");
    // bn1, conv1, fc and three stages; all that is unexpected begins with `module`.
    assert_eq!(error.lines().count(), 1 + 6 + 1);
}

#[test]
fn another_stem_is_named() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let with = |stem| {
        let mut params = Params::new(Seed::new(1), DType::F32, &Device::Cpu);
        let options = ModelOptions { stem: Some(stem), ..ModelOptions::new(3) };
        (find("resnet18").unwrap().build)(&mut params, &options).unwrap();
        params
    };
    for (theirs, ours, name) in
        [(Stem::Cifar, Stem::ImageNet, "cifar"), (Stem::ImageNet, Stem::Cifar, "imagenet")]
    {
        save(&with(theirs).tensors().unwrap(), &path, &BTreeMap::new()).unwrap();
        let error = load(&with(ours), &path, Head::MustFit).unwrap_err().to_string();
        assert!(error.contains(&format!("write `stem: {name}` below model (model.stem)\n")), "{error}");
    }
}

#[test]
fn a_file_without_counts_is_complete() {
    let (folder, from, to) = (folder(), model(7, 1), model(7, 2));
    let path = folder.path().join("model.safetensors");
    let mut tensors = from.tensors().unwrap();
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    save(&tensors, &path, &BTreeMap::new()).unwrap();
    load(&to, &path, Head::MustFit).unwrap();
    assert_eq!(snapshot(&from), snapshot(&to));
}

#[test]
fn a_broken_file_is_named() {
    let (folder, to) = (folder(), model(7, 2));
    let path = folder.path().join("model.safetensors");
    save(&model(7, 1).tensors().unwrap(), &path, &BTreeMap::new()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let before = snapshot(&to);
    let mut wrong_header = whole.clone();
    wrong_header[20] = 0xff;
    let cases: [(&[u8], &str); 6] = [
        (&whole[..whole.len() - 1], "not a whole safetensors file"),
        (&whole[..100], "not a whole safetensors file"),
        (&whole[..3], "not a whole safetensors file"),
        (&wrong_header, "not a whole safetensors file"),
        (b"", "not a whole safetensors file"),
        (b"PK\x03\x04 archive/data.pkl", "not a whole file of PyTorch"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let error = load(&to, &path, Head::MustFit).unwrap_err();
        assert!(matches!(error, Error::File(_)));
        let error = error.to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
    let absent = folder.path().join("absent.safetensors");
    let error = load(&to, &absent, Head::MustFit).unwrap_err().to_string();
    assert!(error.contains("absent.safetensors: cannot read the weights"), "{error}");
    assert_eq!(snapshot(&to), before);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("absent").join("model.safetensors");
    let error = save(&BTreeMap::new(), &path, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("cannot write the weights"), "{error}");
    // The place is taken by a folder: the rename fails after the writing.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    save(&BTreeMap::new(), &taken, &BTreeMap::new()).unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_header_whose_length_begins_as_a_pickle_is_safetensors() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    // 640 = 0x0280, little-endian 80 02.
    let file = [&640u64.to_le_bytes()[..], format!("{:640}", "{}").as_bytes()].concat();
    std::fs::write(&path, file).unwrap();
    assert!(read(&path).unwrap().tensors.is_empty());
}

/// A safetensors file of this header.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn a_header_that_asks_for_more_than_there_is_is_refused() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let tensor = |shape: &str, begin: u64, end: u64| {
        format!("{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
    };
    let one = |name: &str, shape: &str, end: u64| format!("{{\"{name}\":{}}}", tensor(shape, 0, end));
    let many: Vec<String> = (0..=MOST_TENSORS).map(|i| format!("\"{i}\":{}", tensor("[0]", 0, 0))).collect();
    let (large, sides) = (1u64 << 40, format!("[{}1]", "1,".repeat(64)));
    let whole = "not a whole safetensors file";
    for (file, words) in [
        (u64::MAX.to_le_bytes().to_vec(), whole),
        (with_header("{}", b"")[..9].to_vec(), whole),
        (with_header(&one("a", "[4]", 4), b"123"), whole),
        (with_header(&one("a", &format!("[{large},{large}]"), 4), b"1234"), whole),
        (with_header(&format!("{{\"a\":{0},\"b\":{0}}}", tensor("[4]", 0, 4)), b"1234"), whole),
        (with_header(&"{\"a\":".repeat(100_000), b""), whole),
        (with_header(&"x".repeat(200_000), b""), whole),
        (
            with_header(&format!("{{}}{}", " ".repeat(LONGEST_HEADER as usize)), b" "),
            "8388610 bytes, expected at most 8388608 –",
        ),
        (
            with_header(&one("a", &format!("[0,{large},{large}]"), 0), b""),
            "tensor `a`: of more elements than",
        ),
        (with_header(&one("a", &sides, 1), b"1"), "tensor `a`: of 65 sides, expected at most 64 –"),
        (
            with_header(&one(&"n".repeat(2000), "[0]", 0), b""),
            "…`: a name of 2000 bytes, expected at most 1024",
        ),
        (with_header(&format!("{{{}}}", many.join(",")), b""), "one of more than 50000 –"),
    ] {
        std::fs::write(&path, file).unwrap();
        let error = read(&path).err().expect("refused").to_string();
        assert!(error.contains(words) && error.len() < 600, "{error}");
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = folder();
    let refused = |path: &Path, words: &str| {
        for error in [read(path).err().unwrap(), crate::config::Config::read(path).unwrap_err()] {
            let error = error.to_string();
            assert!(error.starts_with(&path.display().to_string()) && error.contains(words), "{error}");
        }
    };
    refused(folder.path(), "is a folder, expected a file – name the file itself");
    assert_eq!(no_file(folder.path()), Some("is a folder"));
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Reading a pipe that nobody writes into would wait for ever, reading zeros would take all memory.
        refused(&pipe, "is a pipe or a device, expected a file");
        refused(Path::new("/dev/zero"), "is a pipe or a device, expected a file");
    }
}

/// As many names as a file may have, each a stage of its own: the difference is found at once and is short.
#[test]
fn many_strange_names_are_told_in_few_lines() {
    let (folder, to) = (folder(), model(7, 2));
    let path = folder.path().join("model.safetensors");
    let empty = Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap();
    let name = |i: usize| format!("a{i}.b{i}.c{i}.d");
    save(&(0..MOST_TENSORS).map(|i| (name(i), empty.clone())).collect(), &path, &BTreeMap::new()).unwrap();
    let begun = std::time::Instant::now();
    let error = import(&to, find("resnet20").unwrap(), &path, Head::ReplaceIfClassesDiffer).unwrap_err();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    // bn1, conv1 and three stages, as the file has no head; 40 strange ones and the rest.
    assert_eq!(lines.len(), 1 + 5 + 41, "{error}");
    assert_eq!(lines.last().unwrap(), "  + 49960 more");
}

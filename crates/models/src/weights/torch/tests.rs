//! Files that ask for more than they are: small ones, written here, of which PyTorch or a plain reader would make gigabytes.

use super::*;
use std::io::Write;

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn number(number: i64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &number.to_le_bytes()].concat()
}

fn tuple(numbers: &[i64]) -> Vec<u8> {
    [&b"("[..], &numbers.iter().flat_map(|n| number(*n)).collect::<Vec<_>>(), b"t"].concat()
}

/// A tensor of the storage `0`, from its second element on.
fn tensor(size: &[i64], stride: &[i64]) -> Vec<u8> {
    tensor_in("FloatStorage", size, stride)
}

fn tensor_in(class: &str, size: &[i64], stride: &[i64]) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n");
    let storage =
        [&b"("[..], &text("storage"), class.as_bytes(), &text("0"), &text("cpu"), b"K\x08tQ"].concat();
    let call = &b"ctorch._utils\n_rebuild_tensor_v2\n("[..];
    [call, &storage, b"K\x01", &tuple(size), &tuple(stride), b"\x89}tR"].concat()
}

fn dictionary(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [&b"}("[..], &pairs, b"u"].concat()
}

/// A stream of an object, with `count` numbers 0, 1, … as its storage `0`, if any.
fn stream_of(object: &[u8], count: u64) -> Vec<u8> {
    let head = [MAGIC, b"\x80\x02M\xe9\x03.\x80\x02}."].concat();
    let content: Vec<u8> = (0..count).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let body = [&head, &b"\x80\x02"[..], object, b".\x80\x02]"].concat();
    if count == 0 {
        return [&body[..], b"."].concat();
    }
    [&body, &text("0")[..], b"a.", &count.to_le_bytes(), &content].concat()
}

fn refused(bytes: &[u8], words: &str) {
    let error = read(bytes).expect_err("refused");
    assert!(error.contains(words) && error.len() < 1000, "{error}");
}

#[test]
fn a_stream_is_read_and_one_that_shares_a_storage_too() {
    let views = [("a", tensor(&[2, 3], &[3, 1])), ("b", tensor(&[7], &[1])), ("c", tensor(&[0, 3], &[3, 1]))];
    let tensors = read(&stream_of(&dictionary(&views), 8)).unwrap().0;
    assert_eq!(tensors["a"].to_vec2::<f32>().unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(tensors["b"].to_vec1::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(tensors["c"].dims(), [0, 3]);
}

#[test]
fn depth_takes_no_stack() {
    for nested in [
        [&b")"[..], &b"\x85".repeat(900_000)].concat(),
        [b"(".repeat(900_000), b"t".repeat(900_000)].concat(),
    ] {
        refused(&stream_of(&nested, 0), "holds a whole object; expected a state dict");
        // As the value of a key, where tensors are looked for.
        let pairs = [("weight", tensor(&[1], &[1])), ("deep", nested)];
        assert_eq!(read(&stream_of(&dictionary(&pairs), 8)).unwrap().0.len(), 1);
    }
    refused(
        &stream_of(&b")".repeat(pickle::MOST + 1), 0),
        "it has more than 1048576 values); expected a state dict",
    );
}

/// Tensors that wrap tensors, further than any that PyTorch writes: only so many are looked into.
#[test]
fn a_tensor_is_unwrapped_so_often() {
    let parameter =
        |inner: Vec<u8>| [&b"ctorch._utils\n_rebuild_parameter\n("[..], &inner, b"\x88}tR"].concat();
    let once = parameter(tensor(&[1], &[1]));
    let typed = |args: &[u8]| {
        let call =
            b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_parameter\ncmine\nWeight\n";
        [call, args, b"}tR"].concat()
    };
    let of_type = typed(&[&b"("[..], &tensor(&[1], &[1]), b"\x88}t"].concat());
    let found = read(&stream_of(&dictionary(&[("a", once.clone()), ("b", of_type)]), 8)).unwrap().0;
    assert_eq!(found.len(), 2);
    let deep = (0..5).fold(once, |inner, _| parameter(inner));
    refused(&stream_of(&dictionary(&[("a", deep)]), 8), "tensor `a`: described otherwise than");
}

#[test]
fn many_tensors_of_one_storage_are_refused() {
    let count = 1i64 << 20;
    let memo = [&tensor(&[count - 1], &[1])[..], b"q\x07"].concat();
    let names: Vec<String> = (0..30).map(|i| i.to_string()).collect();
    let pairs = |most: usize| {
        let value = |i: usize| if i == 0 { memo.clone() } else { b"h\x07".to_vec() };
        dictionary(
            &names[..most].iter().enumerate().map(|(i, name)| (&name[..], value(i))).collect::<Vec<_>>(),
        )
    };
    // 4 MiB each: four times the file and 64 MiB are 80.
    assert_eq!(read(&stream_of(&pairs(19), count as u64)).unwrap().0.len(), 19);
    refused(
        &stream_of(&pairs(30), count as u64),
        "tensor `19`: with it the tensors are more than four times the file",
    );
    // One that repeats an element is none of `torch.save`'s own accord.
    refused(
        &stream_of(&dictionary(&[("wide", tensor(&[1 << 40], &[0]))]), 8),
        "lies outside its storage `0`",
    );
}

#[test]
fn sides_are_as_pytorch_has_them() {
    for (size, stride, words) in [
        (vec![0, 1 << 40, 1 << 40], vec![0, 0, 0], "of more elements than"),
        (vec![1 << 40, 1 << 40], vec![0, 0], "of more elements than"),
        (vec![2, 2], vec![i64::MAX, i64::MAX], "lies outside"),
        (vec![8], vec![1], "lies outside"),
        (vec![-1], vec![1], "described otherwise"),
        (vec![1], vec![1, 1], "described otherwise"),
        (vec![1; 65], vec![1; 65], "described otherwise"),
    ] {
        refused(&stream_of(&dictionary(&[("a", tensor(&size, &stride))]), 8), words);
    }
}

#[test]
fn a_message_is_short() {
    let long = "x".repeat(100_000);
    refused(
        &stream_of(&dictionary(&[(&long, tensor(&[1], &[1]))]), 8),
        "a name of 100000 bytes, expected at most 1024",
    );
    refused(
        &stream_of(&dictionary(&vec![(&long[..], b"N".to_vec()); 1000]), 0),
        "…, …; expected tensors, or one of",
    );
    let strange = tensor_in(&long, &[1], &[1]);
    refused(&stream_of(&dictionary(&[("a", strange)]), 0), "…, expected f16, bf16, f32");
}

fn zip(entries: &[(&str, &[u8])], copies: usize) -> Vec<u8> {
    let mut written = Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut written);
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in entries {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(content).unwrap();
    }
    // The last one again and again, without compressing it again.
    let mut done = zip::ZipArchive::new(zip.finish_into_readable().unwrap().into_inner()).unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..done.len() {
        zip.raw_copy_file(done.by_index(index).unwrap()).unwrap();
    }
    for copy in 0..copies {
        let last = done.by_index(done.len() - 1).unwrap();
        zip.raw_copy_file_rename(last, format!("archive/data/copy{copy}")).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_zip_that_unpacks_to_more_is_refused() {
    let object = [&b"\x80\x02"[..], &dictionary(&[("a", tensor(&[7], &[1]))]), b"."].concat();
    let zeros = vec![0; 1 << 20];
    let entries = [("data.pkl", &object[..]), ("data/0", &zeros)];
    // One that somebody packed again is read.
    assert_eq!(read(&zip(&entries, 9)).unwrap().0["a"].dims(), [7]);
    let bomb = zip(&entries, 70);
    assert!(bomb.len() < 200_000, "{} bytes", bomb.len());
    refused(&bomb, "it unpacks to more than four times the file and 64 MiB, expected about its size");
    refused(&bomb, "– write it again with torch.save, or as safetensors");
}

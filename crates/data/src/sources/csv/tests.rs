use super::*;
use crate::written::{file, jpeg_file, options};

/// Images a.jpg to d.jpg and the CSV beside them.
fn written(csv: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c", "d"] {
        jpeg_file(folder.path().join(format!("images/{name}.jpg")));
    }
    file(folder.path().join("set.csv"), csv);
    folder
}

fn read(folder: &tempfile::TempDir, more: &str) -> Result<Parts> {
    SPEC.read(&options(&format!("{{ file: {}/set.csv{more} }}", folder.path().display())))
}

fn refused(folder: &tempfile::TempDir, more: &str) -> String {
    let error = read(folder, more).err().expect("refused").to_string();
    error.replace(&folder.path().display().to_string(), "ROOT")
}

#[test]
fn reads_paths_labels_groups_and_parts() {
    let folder = written(
        "path,label,patient,split\nimages/a.jpg,10,p1,train\nimages/b.jpg,9,p1,train\nimages/c.jpg,9,,val\nimages/d.jpg,10,p3,test\n",
    );
    let parts = read(&folder, ", group: patient").unwrap();
    let (train, validation, test) = (parts.train.unwrap(), parts.validation.unwrap(), parts.test.unwrap());
    assert_eq!(train.classes(), ["9", "10"], "numbers in their own order");
    assert_eq!((train.label(0), train.label(1)), (1, 0));
    assert_eq!((train.group(0), validation.group(0)), (Some("p1"), None));
    assert_eq!(train.group_name(), Some("patient"));
    assert_eq!((validation.id(0), test.id(0)), ("images/c.jpg", "images/d.jpg"));
    assert!(crate::decode(&test.image(0).unwrap()).is_ok());
}

#[test]
fn columns_root_extension_and_separator_are_free() {
    let folder = written("\u{feff}image_id\tdx\ttrain\n a \tnv\tx\nb\tmel\ty\n");
    let more = format!(
        ", root: {}/images, path: image_id, label: dx, extension: jpg, classes: [nv, mel]",
        folder.path().display()
    );
    let parts = read(&folder, &more).unwrap();
    let train = parts.train.unwrap();
    assert_eq!((train.id(0), train.label(0), train.len()), ("a", 0, 2));
    assert!(crate::decode(&train.image(1).unwrap()).is_ok());
}

#[test]
fn says_what_is_wrong() {
    let folder = written("path,label\nimages/a.jpg,x\nimages/e.jpg,y\nimages/f.jpg,y\n");
    assert_eq!(
        refused(&folder, ""),
        "ROOT/set.csv: 2 of 3 images are not there, nor a single file of their names: images/e.jpg, images/f.jpg; expected the first at ROOT/images/e.jpg; say \
         where the images are with data.root=…"
    );
    let folder = written("path,lable\nimages/a.jpg,x\n");
    assert_eq!(
        refused(&folder, ""),
        "ROOT/set.csv: expected a column `label`; did you mean `lable`? known: path, lable – name another with \
         data.label=…"
    );
    let folder = written("path,label\r\nimages/a.jpg,x,3\r\n");
    assert_eq!(
        refused(&folder, ""),
        "ROOT/set.csv:2: expected 2 fields, as the header has, got 3 – a field that holds a separator is written in quotes"
    );
    let folder = written("path,label,split\nimages/a.jpg,,left\nimages/b.jpg,x,val\nimages/b.jpg,y,train\n");
    assert_eq!(
        refused(&folder, ""),
        "ROOT/set.csv:2: images/a.jpg: expected train, val or test, got `left` – write one of them, or take the row out\n\
         ROOT/set.csv:2: images/a.jpg: expected a label, got nothing – write it, or take the row out\n\
         ROOT/set.csv:4: images/b.jpg: expected one row for an image, got two – the other is in line 3; keep one"
    );
    let folder = written("file,class\nimages/a.jpg,x\n");
    assert_eq!(refused(&folder, ", group: patient").lines().count(), 3, "all columns that are missing");
    let folder = written("path,label\nimages/a.jpg,x\n");
    assert_eq!(
        refused(&folder, ", classes: [xx, y]"),
        "ROOT/set.csv:2: no class is called `x`; did you mean `xx`? known: xx, y"
    );
    let folder = written("path,label\n");
    assert_eq!(refused(&folder, ""), "ROOT/set.csv: expected images, got a header alone");
    assert!(
        SPEC.read(&options("file: nowhere.csv"))
            .err()
            .unwrap()
            .to_string()
            .starts_with("nowhere.csv: no such file;")
    );
}

#[test]
fn ids_find_their_files_by_name() {
    let folder = written("id,label\na,x\nb.png,y\n7,x\n");
    jpeg_file(folder.path().join("images/deep/0007.jpg"));
    let train = read(&folder, ", path: id").unwrap().train.unwrap();
    let names: Vec<String> = (0..3)
        .map(|index| match train.image(index).unwrap() {
            crate::Encoded::File(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["a.jpg", "b.jpg", "0007.jpg"]);
    assert_eq!(train.id(2), "7");
    // Two files of one name: neither is taken.
    jpeg_file(folder.path().join("other/a.jpg"));
    assert!(
        refused(&folder, ", path: id")
            .contains("1 of 3 images are not there, nor a single file of their names: a;")
    );
}

#[test]
fn other_encodings_are_read() {
    let folder = written("");
    file(folder.path().join("set.csv"), b"path,label\nimages/a.jpg,m\xe9lanome\nimages/b.jpg,x\n");
    assert_eq!(read(&folder, "").unwrap().train.unwrap().classes(), ["m\u{e9}lanome", "x"]);
    assert_eq!(
        refused(&folder, ", encoding: utf-8"),
        "ROOT/set.csv:2: is not UTF-8 \u{2013} write data.encoding=latin1, or another"
    );
    assert!(
        refused(&folder, ", encoding: klingon").starts_with("data.encoding: no encoding is called `klingon`")
    );
    let wide: Vec<u8> =
        "\u{feff}path,label\nimages/a.jpg,x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    file(folder.path().join("set.csv"), wide);
    assert_eq!(read(&folder, "").unwrap().train.unwrap().len(), 1);
}

#[test]
fn several_labels_and_unused_classes_are_told() {
    let folder = written("path,label\nimages/a.jpg,x|y\nimages/b.jpg,x\n");
    assert!(
        refused(&folder, "")
            .starts_with("ROOT/set.csv:2: images/a.jpg: expected one label, got `x|y`, which are several")
    );
    let folder = written("path,label\nimages/a.jpg,x\nimages/b.jpg,y\n");
    assert_eq!(
        refused(&folder, ", classes: [x, y, z]"),
        "data.classes: no image has the class z \u{2013} take it out, or correct its name"
    );
}

#[cfg(unix)]
mod spellings {
    use super::*;
    use crate::written::{fifo, link, refused};

    /// A CSV beside the folder `in`, which is the root; `ROOT/x.jpg` is outside of it.
    fn opened(rows: &str, more: &str) -> (tempfile::TempDir, Result<Parts>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        ["in/a/x.jpg", "in/b/y.jpg", "x.jpg"].iter().for_each(|name| jpeg_file(path(name)));
        link("a/x.jpg", path("in/link.jpg"));
        link("../x.jpg", path("in/out.jpg"));
        link("b", path("in/folder"));
        std::fs::hard_link(path("in/b/y.jpg"), path("in/b/hard.jpg")).unwrap();
        fifo(path("in/pipe.jpg"));
        let rows = rows.replace("ROOT", &folder.path().display().to_string());
        file(path("t.csv"), format!("path,label,split,who\n{rows}"));
        let options = options(&format!("{{ file: {0}/t.csv, root: {0}/in{more} }}", folder.path().display()));
        let parts = SPEC.read(&options);
        (folder, parts)
    }

    fn ids(part: &Option<Arc<dyn Dataset>>) -> Vec<&str> {
        let part = part.as_ref().unwrap();
        (0..part.len()).map(|index| part.id(index)).collect()
    }

    #[test]
    fn a_file_that_several_rows_name_counts_once_in_a_part() {
        let rows = "a/../a/x.jpg,a,train,p\nlink.jpg,a,train,p\na/x.jpg,a,train,p\nb/y.jpg,b,train,p\nb/hard.jpg,b,train,p\n\
                    folder/y.jpg,b,train,p\n./a/x.jpg,a,val,p\n";
        let (_folder, parts) = opened(rows, "");
        let parts = parts.unwrap();
        assert_eq!(ids(&parts.train), ["a/../a/x.jpg", "b/y.jpg", "b/hard.jpg"]);
        assert_eq!(ids(&parts.validation), ["./a/x.jpg"], "that it leaks is told by its bytes");
        assert!(
            parts.notes[0].ends_with("t.csv: 3 rows of files that another row names otherwise: counted once")
        );
        assert_eq!(parts.notes.len(), 1, "{:?}", parts.notes);
        for (rows, more) in [
            ("a/x.jpg,a,train,p\nlink.jpg,b,train,p\n", ""),
            ("a/x.jpg,a,train,p\nlink.jpg,a,train,q\n", ", group: who"),
        ] {
            let (folder, parts) = opened(rows, more);
            assert_eq!(
                refused(&folder, parts),
                "ROOT/t.csv:3: link.jpg: the same file as a/x.jpg in line 2, with another label or group – expected one row for a file \
                 – keep one"
            );
        }
    }

    #[test]
    fn links_are_told_from_hard_links_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        jpeg_file(path("0.jpg".into()));
        let mut rows = String::from("path,label\n0.jpg,a\n");
        for row in 1..2000 {
            std::fs::hard_link(path("0.jpg".into()), path(format!("{row}.jpg"))).unwrap();
            rows += &format!("{row}.jpg,a\n");
        }
        link("1234.jpg", path("link.jpg".into()));
        let read = |last: &str| {
            file(path("t.csv".into()), rows.clone() + last);
            SPEC.read(&options(&format!("file: {}/t.csv", folder.path().display())))
        };
        let parts = read("link.jpg,a\n").unwrap();
        assert_eq!(parts.train.unwrap().len(), 2000);
        assert!(parts.notes[0].ends_with("1 row of files that another row names otherwise: counted once"));
        let said = refused(&folder, read("link.jpg,b\n"));
        assert!(
            said.starts_with("ROOT/t.csv:2002: link.jpg: the same file as 1234.jpg in line 1236, with"),
            "{said}"
        );
    }

    #[test]
    fn paths_out_of_the_root_are_noted_or_refused() {
        let rows = "../x.jpg,a,train,p\nROOT/in/b/y.jpg,b,train,p\n../in/a/x.jpg,a,train,p\n";
        let (folder, parts) = opened(rows, "");
        let root = folder.path().display().to_string();
        let note = parts.unwrap().notes.concat().replace(&root, "ROOT");
        assert_eq!(note, "ROOT/t.csv: 1 path out of ROOT/in: ../x.jpg (`confine: true` refuses them)");
        let (folder, parts) = opened(&format!("{rows}out.jpg,b,val,p\n"), ", confine: true");
        let said = refused(&folder, parts);
        let problem = "leads out of ROOT/in, and `confine` is true – expected a file below it";
        assert_eq!(said, format!("ROOT/t.csv:2: ../x.jpg: {problem}\nROOT/t.csv:5: out.jpg: {problem}"));
        assert!(opened("a/x.jpg,a,train,p\nb/y.jpg,b,train,p\n", ", confine: true").1.is_ok());
    }

    #[test]
    fn a_fifo_is_refused_by_name_unopened() {
        let (folder, parts) = opened("pipe.jpg,a,train,p\nb/y.jpg,b,train,p\n", "");
        assert!(
            refused(&folder, parts).starts_with("ROOT/in/pipe.jpg: is a FIFO – expected an ordinary file")
        );
        fifo(folder.path().join("pipe.csv"));
        let options = options(&format!("file: {}/pipe.csv", folder.path().display()));
        let said = refused(&folder, SPEC.read(&options));
        assert!(said.starts_with("ROOT/pipe.csv: is a FIFO"), "{said}");
    }
}

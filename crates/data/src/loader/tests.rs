use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::written::table;

fn rows(count: u32) -> Arc<dyn Dataset> {
    Arc::new(table(&(0..count).map(|index| (index % 3, "")).collect::<Vec<_>>()))
}

/// Two views: the pixels, and their complement at double width. Slow at random, so that threads finish out of order.
fn two_views() -> Arc<Prepare> {
    Arc::new(|encoded, index| {
        std::thread::sleep(Duration::from_micros((index as u64 * 7919) % 500));
        let image = crate::decode(&encoded)?;
        let wide = Image { width: 4, height: 1, pixels: vec![255 - image.pixels[0]; 12] };
        Ok(vec![image, wide])
    })
}

fn batches() -> Vec<Vec<u32>> {
    let indices: Vec<u32> = (0..100).map(|i| (i * 37) % 100).collect();
    indices.chunks(8).map(<[u32]>::to_vec).collect()
}

#[test]
fn batches_come_in_order_whatever_the_number_of_threads() {
    let run = |workers| -> Vec<HostBatch> {
        Loader::new(rows(100), batches(), two_views(), workers).map(|batch| batch.unwrap()).collect()
    };
    let inline = run(0);
    assert_eq!(inline.len(), 13);
    assert_eq!(inline[12].indices.len(), 4, "the last partial batch is kept");
    let first = &inline[0];
    assert_eq!(first.indices, [0, 37, 74, 11, 48, 85, 22, 59]);
    assert_eq!(first.labels, [0, 1, 2, 2, 0, 1, 1, 2]);
    assert_eq!((first.views[0].rows, first.views[0].height, first.views[0].width), (8, 1, 2));
    assert_eq!(first.views[0].bytes[6..12], [37; 6]);
    assert_eq!(first.views[1].bytes[12..24], [255 - 37; 12]);
    assert_eq!(run(1), inline);
    assert_eq!(run(4), inline);
}

#[test]
fn the_first_bad_image_in_order_is_the_one_reported_and_ends_the_epoch() {
    let prepare: Arc<Prepare> = Arc::new(|encoded, index| match index {
        85 => Err("too blue".into()),
        74 => {
            // Later in time than 85, earlier in the batch.
            std::thread::sleep(Duration::from_millis(20));
            panic!("no such {}", "colour")
        }
        _ => Ok(vec![crate::decode(&encoded)?]),
    });
    for workers in [0, 4] {
        let mut loader = Loader::new(rows(100), batches(), prepare.clone(), workers);
        let error = loader.next().unwrap().unwrap_err().to_string();
        assert_eq!(error, "image 74: panicked: no such colour");
        assert!(loader.next().is_none());
    }
}

#[test]
fn images_of_one_view_have_one_size() {
    let prepare: Arc<Prepare> = Arc::new(|_, index| {
        let width = if index == 11 { 3 } else { 2 };
        Ok(vec![Image { width, height: 1, pixels: vec![0; 3 * width as usize] }])
    });
    let error = Loader::new(rows(100), batches(), prepare, 2).next().unwrap().unwrap_err().to_string();
    assert_eq!(
        error,
        "image 11: expected 1×2 pixels (height × width) as the batch's first image, got 1×3 – end the image policies with \
         one that fixes the size"
    );
}

#[test]
fn an_image_beyond_the_limit_of_its_dataset_ends_the_batch_by_its_name() {
    let most = rows(10).max_pixels();
    assert_eq!(most, crate::MAX_PIXELS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.png");
    crate::written::file(&path, crate::written::forged_png(65_535, 65_535, &[]));
    let row = vec![crate::Row { id: "wide.png".into(), label: 0, group: None }];
    let images = crate::Images::Files(vec![path].into());
    let table = crate::Table::new("test", vec!["a".into()], None, row.into(), images).unwrap();
    let limited: Arc<dyn Dataset> = Arc::new(crate::Subset::limited(Arc::new(table), 7));
    let limited: Arc<dyn Dataset> = Arc::new(crate::Subset::new(limited, vec![0]));
    let most = limited.max_pixels();
    let prepare: Arc<Prepare> = Arc::new(move |encoded, _| Ok(vec![crate::decode_within(&encoded, most)?]));
    for workers in [0, 2] {
        let mut loader = Loader::new(limited.clone(), vec![vec![0]], prepare.clone(), workers);
        let error = loader.next().unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with("wide.png: 65535×65535 pixels by its header – expected at most 7"),
            "{error}"
        );
    }
    let broken = crate::broken(&*limited, 2, &|_| {});
    assert!(broken[0].reason.contains("at most 7 pixels"), "{}", broken[0].reason);
}

#[test]
fn work_stays_a_few_batches_ahead_and_ends_when_the_loader_is_dropped() {
    let prepared = Arc::new(AtomicUsize::new(0));
    let count = prepared.clone();
    let prepare: Arc<Prepare> = Arc::new(move |encoded, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(vec![crate::decode(&encoded)?])
    });
    let batches: Vec<Vec<u32>> = (0..1000).map(|_| (0..10).collect()).collect();
    let mut loader = Loader::new(rows(10), batches, prepare.clone(), 2);
    loader.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(prepared.load(Ordering::SeqCst) <= 10 * (1 + AHEAD));
    drop(loader);
    let after = prepared.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(prepared.load(Ordering::SeqCst), after);
    assert_eq!(Arc::strong_count(&prepare), 1, "no thread holds the closure any more");
}

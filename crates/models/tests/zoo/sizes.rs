//! Parameters, multiply-adds and names, of the peers and as published.

use crate::{blank, golden};
use serde_json::json;
use std::collections::BTreeMap;
use tallow_models::{MODELS, ModelOptions, Params, Peer, find};

/// Names of tensors there, by ours, as `tests/golden/zoo.py` has them: FNV-1a of the sorted lines.
fn names(params: &Params, peer: &Peer) -> (usize, String) {
    let mut lines: Vec<String> = params
        .trainable
        .keys()
        .chain(params.buffers.keys())
        .chain(params.counts.keys())
        .map(|name| format!("{name} {}\n", (peer.tensor)(name)))
        .collect();
    lines.sort();
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    (lines.len(), format!("{:016x}", lines.concat().bytes().fold(0xcbf2_9ce4_8422_2325, fnv)))
}

/// `tests/golden/zoo.py` counts parameters and multiply-adds of every network of the zoo in torchvision or timm, pairs their tensors,
/// and shows that both give the same logits.
#[test]
fn sizes_and_peers_are_torchvisions_and_timms() {
    let golden = golden();
    for (name, golden) in &golden {
        let spec = find(name).unwrap_or_else(|| panic!("no {name}"));
        let classes = if spec.input == 32 { 10 } else { 1000 };
        let (params, network) = blank(spec, &ModelOptions::new(classes));
        assert_eq!(params.size() as u64, golden["parameters"].as_u64().unwrap(), "{name}");
        assert_eq!(golden["input"], spec.input, "{name}");
        assert_eq!(network.macs([3, spec.input, spec.input]), golden["macs"].as_u64(), "{name}");
        for (library, peer) in [("timm", spec.timm), ("torchvision", spec.torchvision)] {
            let golden = golden.get(library);
            assert_eq!(golden.is_some(), peer.is_some(), "{name}: a peer in {library}");
            let (Some(golden), Some(peer)) = (golden, peer) else { continue };
            assert_eq!(golden["name"], peer.name, "{name}: {library}");
            let (tensors, hash) = names(&params, &peer);
            assert_eq!(golden["tensors"], tensors, "{name}: {library}");
            assert_eq!(golden["hash"], hash, "{name}: a tensor has another name in {library}");
        }
        let arguments: BTreeMap<&str, f64> = spec.timm_arguments.iter().copied().collect();
        let told = golden.get("timm").map_or(json!({}), |timm| timm["arguments"].clone());
        assert_eq!(told, json!(arguments), "{name}");
    }
    let missing: Vec<_> =
        MODELS.iter().map(|spec| spec.name).filter(|name| !golden.contains_key(*name)).collect();
    assert!(missing.is_empty(), "not in tests/golden/zoo.py: {missing:?}");
}

/// torchvision 0.29, `*_Weights.DEFAULT.meta`: 10⁹ multiply-adds; He et al. 2016, table 6: 0.27 M parameters;
/// Huang et al. 2017, table 1.
const PUBLISHED: [(&str, f64, f64); 22] = [
    ("resnet18", 11.690e6, 1.814),
    ("resnet50", 25.557e6, 4.089),
    ("resnext50_32x4d", 25.029e6, 4.230),
    ("resnet20", 0.2697e6, 0.041),
    ("vgg16_bn", 138.366e6, 15.470),
    ("densenet121", 7.979e6, 2.834),
    ("mobilenet_v2", 3.505e6, 0.301),
    ("mobilenet_v3_large", 5.483e6, 0.217),
    ("efficientnet_b0", 5.289e6, 0.386),
    ("efficientnet_b4", 19.342e6, 4.394),
    ("efficientnet_v2_s", 21.458e6, 8.366),
    ("convnext_tiny", 28.589e6, 4.456),
    ("convnext_small", 50.224e6, 8.684),
    ("convnext_base", 88.591e6, 15.355),
    ("swin_t", 28.288e6, 4.491),
    ("swin_s", 49.606e6, 8.741),
    // 197·12·(12·192² + 2·197·192) + 196·768·192 + 192·1000, and so on; timm's parameters
    ("vit_tiny_patch16_224", 5.7174e6, 1.254),
    ("vit_small_patch16_224", 22.051e6, 4.599),
    ("vit_base_patch16_224", 86.568e6, 17.564),
    ("deit_tiny_patch16_224", 5.7174e6, 1.254),
    ("deit_small_patch16_224", 22.051e6, 4.599),
    ("deit_base_patch16_224", 86.568e6, 17.564),
];

#[test]
fn sizes_are_the_published_ones() {
    for (name, parameters, gigamacs) in PUBLISHED {
        let spec = find(name).unwrap();
        let (params, network) = blank(spec, &ModelOptions::new(if spec.input == 32 { 10 } else { 1000 }));
        assert!((params.size() as f64 / parameters - 1.0).abs() < 2e-4, "{name}: {}", params.size());
        let macs = network.macs([3, spec.input, spec.input]).unwrap() as f64 / 1e9;
        assert!((macs - gigamacs).abs() <= 0.0006, "{name}: {macs}");
    }
}

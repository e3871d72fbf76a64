use super::*;
use crate::{ModelOptions, Network, find};
use candle_core::ModuleT;

fn resnet20(params: &mut Params) -> Network {
    (find("resnet20").unwrap().build)(params, &ModelOptions::new(7)).unwrap()
}

fn seeded() -> (Params, Network) {
    let mut params = Params::new(Seed::new(3), DType::F32, &Device::Cpu);
    let network = resnet20(&mut params);
    (params, network)
}

fn logits(network: &Network) -> Vec<Vec<f32>> {
    let values = Tensor::arange(0f32, 6144.0, &Device::Cpu).unwrap().affine(1e-4, -0.3).unwrap();
    let values = values.reshape((2, 3, 32, 32)).unwrap();
    network.forward_t(&values, false).unwrap().to_vec2().unwrap()
}

#[test]
fn an_empty_map_gets_the_initial_values_and_shares_them() {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let mut params = Params::from_var_builder(builder.pp("backbone"), Seed::new(3));
    let network = resnet20(&mut params);
    let before = logits(&network);
    assert_eq!(before, logits(&seeded().1));
    {
        let variables = map.data().lock().unwrap();
        assert_eq!(variables.len(), params.trainable.len() + params.buffers.len());
        let bias = &variables["backbone.fc.bias"];
        bias.set(&(bias.as_tensor() + 1.0).unwrap()).unwrap();
    }
    for (after, before) in logits(&network).concat().iter().zip(before.concat()) {
        assert!((after - before - 1.0).abs() < 1e-5, "{after} after {before}");
    }
    // A second network on the same map is the same network.
    let mut again = Params::from_var_builder(builder.pp("backbone"), Seed::new(4));
    assert_eq!(logits(&resnet20(&mut again)), logits(&network));
}

#[test]
fn tensors_of_a_file_are_taken_and_none_may_be_missing() {
    let (params, network) = seeded();
    let mut tensors: std::collections::HashMap<_, _> = params.tensors().unwrap().into_iter().collect();
    let build = |tensors: std::collections::HashMap<String, Tensor>| {
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let mut params = Params::from_var_builder(builder, Seed::new(9));
        (find("resnet20").unwrap().build)(&mut params, &ModelOptions::new(7))
    };
    assert_eq!(logits(&build(tensors.clone()).unwrap()), logits(&network));
    tensors.remove("layer2.0.conv1.weight");
    let error = build(tensors).err().expect("refused").to_string();
    assert!(error.contains("layer2.0.conv1.weight"), "{error}");
}

/// On a CPU f64 stands for bf16: rank decides what is copied, and what changes parameters brings copies up to date.
#[test]
fn copies_in_another_type_are_what_layers_compute_with() {
    let mut params = Params::new(Seed::new(3), DType::F32, &Device::Cpu).computing_in(DType::F64);
    resnet20(&mut params);
    let types = |name: &str| {
        let param = &params.trainable[name];
        (param.var().dtype(), param.tensor(&Mode::Probe).dtype(), param.leaf().is_variable())
    };
    assert_eq!(types("conv1.weight"), (DType::F32, DType::F64, true));
    for name in ["bn1.weight", "bn1.bias", "fc.bias"] {
        assert_eq!(types(name), (DType::F32, DType::F32, true), "{name}");
    }
    let weight = &params.trainable["conv1.weight"];
    let both = || {
        let numbers = |x: &Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>();
        (numbers(weight.var()).unwrap(), numbers(weight.leaf()).unwrap())
    };
    let (begun, copy) = both();
    assert_eq!(begun, copy);
    weight.var().set(&(weight.var().as_detached_tensor() * 2.0).unwrap()).unwrap();
    assert_ne!(both().0, both().1);
    params.cast().unwrap();
    assert_eq!(both().0, both().1);
    // Weights of a file come with their copies.
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("model.safetensors");
    crate::weights::save(&seeded().0.tensors().unwrap(), &path, &BTreeMap::new()).unwrap();
    crate::weights::load(&params, &path, crate::weights::Head::MustFit).unwrap();
    assert_eq!(both(), (begun.clone(), begun));
}

#[test]
fn a_map_of_a_network_changes_it() {
    let (params, network) = seeded();
    let map = params.var_map();
    assert_eq!(map.all_vars().len(), params.trainable.len() + params.buffers.len());
    map.data().lock().unwrap()["fc.weight"]
        .set(&Tensor::zeros((7, 64), DType::F32, &Device::Cpu).unwrap())
        .unwrap();
    let rows = logits(&network);
    assert_eq!(rows[0], rows[1], "the bias is left");
}

#[test]
fn training_passes_update_the_statistics_and_draw_anew() {
    let mut params = Params::new(Seed::new(3), DType::F32, &Device::Cpu);
    let network = (find("mobilenet_v2").unwrap().build)(&mut params, &ModelOptions::new(7)).unwrap();
    let values = Tensor::arange(0f32, 2.0 * 3072.0, &Device::Cpu).unwrap().affine(1e-4, -0.3).unwrap();
    let values = values.reshape((2, 3, 32, 32)).unwrap();
    let pass = || network.forward_t(&values, true).unwrap().to_vec2::<f32>().unwrap();
    let mean = || params.buffers["features.0.1.running_mean"].var().to_vec1::<f32>().unwrap();
    let before = mean();
    assert_ne!(pass(), pass(), "dropout of two passes");
    assert_ne!(mean(), before);
}

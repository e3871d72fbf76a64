//! Vision transformers, timm's: patches of 16 px, class token, learnt positions, norm before each branch (ε = 1e-6). DeiT's are the
//! same networks, trained otherwise.
//!
//! Tensors have timm's names. Rows at the taps are sequences (1 + patches, features), the class token first; `stem` is the patches
//! with their positions, `stage1` … `stage4` end after each quarter of the twelve blocks; `penultimate` is the normed class token. The
//! grid of positions is that of [`ModelOptions::input`]; weights of another grid are resampled when they are loaded.
//!
//! Sources: Dosovitskiy et al. 2021, arXiv:2010.11929; Touvron et al. 2021, arXiv:2012.12877; timm 1.0
//! `models/vision_transformer.py`, `models/deit.py`.

use crate::layers::{Chain, Linear};
use crate::sequence::{LayerNorm, Mlp, NARROW, Patches, block_macs};
use crate::zoo::{imagenet, own_stem};
use crate::{
    Error, Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Param, Params, Peer, Result, Stage,
};
use candle_core::Tensor;

/// A model of this family: its features and heads; whether torchvision has it.
macro_rules! vit {
    ($constant:ident, $name:literal, $source:literal, $features:literal, $heads:literal, $half:literal, $torchvision:expr,
     [$($weights:literal),* $(,)?]) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
            // Google's weights were trained on values in ±1, Facebook's on torchvision's.
            mean: if $half { [0.5; 3] } else { [0.485, 0.456, 0.406] },
            std: if $half { [0.5; 3] } else { [0.229, 0.224, 0.225] },
            interpolation: "bicubic",
            crop: 0.9,
            first_conv: "patch_embed.proj",
            classifier: "head",
            torchvision: $torchvision,
            timm: Peer::same($name),
            weights: &[$(concat!("timm/", $name, ".", $weights)),*],
            ..imagenet($name, $source, |params, options| build(params, options, $features, $heads))
        };
    };
}

vit!(
    VIT_TINY,
    "vit_tiny_patch16_224",
    "Dosovitskiy et al. 2021, arXiv:2010.11929; timm 1.0",
    192,
    3,
    true,
    None,
    ["augreg_in21k_ft_in1k"]
);
vit!(
    VIT_SMALL,
    "vit_small_patch16_224",
    "Dosovitskiy et al. 2021, arXiv:2010.11929; timm 1.0",
    384,
    6,
    true,
    None,
    ["augreg_in21k_ft_in1k", "augreg_in1k"]
);
vit!(
    VIT_BASE,
    "vit_base_patch16_224",
    "Dosovitskiy et al. 2021, arXiv:2010.11929; timm 1.0",
    768,
    12,
    true,
    Some(Peer { name: "vit_b_16", tensor: torchvisions }),
    ["augreg2_in21k_ft_in1k", "augreg_in21k_ft_in1k", "augreg_in1k", "orig_in21k_ft_in1k"]
);
vit!(
    DEIT_TINY,
    "deit_tiny_patch16_224",
    "Touvron et al. 2021, arXiv:2012.12877; timm 1.0",
    192,
    3,
    false,
    None,
    ["fb_in1k"]
);
vit!(
    DEIT_SMALL,
    "deit_small_patch16_224",
    "Touvron et al. 2021, arXiv:2012.12877; timm 1.0",
    384,
    6,
    false,
    None,
    ["fb_in1k"]
);
vit!(
    DEIT_BASE,
    "deit_base_patch16_224",
    "Touvron et al. 2021, arXiv:2012.12877; timm 1.0",
    768,
    12,
    false,
    Some(Peer { name: "vit_b_16", tensor: torchvisions }),
    ["fb_in1k"]
);

/// timm's name of a tensor → torchvision's.
fn torchvisions(name: &str) -> String {
    if let Some((index, rest)) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        let rest = [
            ("norm1.", "ln_1."),
            ("attn.qkv.", "self_attention.in_proj_"),
            ("attn.proj.", "self_attention.out_proj."),
            ("norm2.", "ln_2."),
            ("mlp.fc1.", "mlp.0."),
            ("mlp.fc2.", "mlp.3."),
        ]
        .into_iter()
        .find_map(|(timm, theirs)| Some(format!("{theirs}{}", rest.strip_prefix(timm)?)));
        return format!("encoder.layers.encoder_layer_{index}.{}", rest.unwrap_or_default());
    }
    let whole = [("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding")];
    let begun = [("patch_embed.proj.", "conv_proj."), ("norm.", "encoder.ln."), ("head.", "heads.head.")];
    let whole = whole.into_iter().find_map(|(timm, theirs)| (name == timm).then(|| theirs.to_owned()));
    let begun =
        || begun.into_iter().find_map(|(timm, theirs)| Some(format!("{theirs}{}", name.strip_prefix(timm)?)));
    whole.or_else(begun).unwrap_or_else(|| name.to_owned())
}

const PATCH: usize = 16;
const DEPTH: usize = 12;
const EPS: f64 = 1e-6;

fn build(params: &mut Params, options: &ModelOptions, features: usize, heads: usize) -> Result<Network> {
    own_stem(options, "ViT", "patches of 16 px")?;
    let side = options.input.unwrap_or(224);
    if side < PATCH {
        return Err(Error::Option(format!(
            "input: {side} px are less than one patch of {PATCH} – expected a multiple of {PATCH}, such as 224"
        )));
    }
    params.begin_stage("stem");
    let size = (options.channels, PATCH);
    let patches =
        Patches::new(params, "patch_embed.proj", (options.channels, features), PATCH, Patches::torchs(size))?;
    let grid = side / PATCH;
    let stem = Embedding {
        patches,
        token: params.without_decay("cls_token", &[1, 1, features], Init::Normal(1e-6))?,
        positions: params.without_decay("pos_embed", &[1, grid * grid + 1, features], Init::Normal(0.02))?,
        grid,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    for quarter in 0..4 {
        let name = format!("stage{}", quarter + 1);
        params.begin_stage(&name);
        let blocks = (quarter * DEPTH / 4..(quarter + 1) * DEPTH / 4)
            .map(|i| Block::new(params, &format!("blocks.{i}"), features, heads))
            .collect::<Result<Vec<_>>>()?;
        stages.push(Stage { name, layer: Box::new(Chain(blocks)) });
    }
    params.begin_stage("penultimate");
    let norm = LayerNorm::new(params, "norm", features, EPS)?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(ClassToken { norm }) });
    params.begin_stage("head");
    let head = Linear::with(params, "head", (features, options.classes), NARROW)?;
    Ok(Network::new(stages, Box::new(head)))
}

/// Patches, the class token before them, positions.
struct Embedding {
    patches: Patches,
    token: Param,
    positions: Param,
    grid: usize,
}

impl Layer for Embedding {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (r, _, h, w) = values.dims4()?;
        if (h / PATCH, w / PATCH) != (self.grid, self.grid) {
            return Err(Error::Option(format!(
                "input: the network has positions for {0}×{0} patches of {PATCH} px, the image has {h}×{w} px – build it with \
                 `input` {h}",
                self.grid
            )));
        }
        let tokens = self.patches.of_maps(values, mode)?;
        let features = tokens.dim(3)?;
        let count = self.grid * self.grid;
        let tokens =
            tallow_kernels::rearrange(&tokens, &[r * count * features], &[0], &[r, count, features])?;
        let token = self.token.tensor(mode).flatten_all()?;
        Ok(tallow_kernels::class_token(&tokens, &token, &self.positions.tensor(mode).squeeze(0)?)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let ([features, rows, columns], macs) = self.patches.outline(row)?;
        ((rows, columns) == (self.grid, self.grid))
            .then(|| Outline { shape: vec![rows * columns + 1, features], macs })
    }
}

/// x + attention(norm(x)), then x + mlp(norm(x)).
struct Block {
    norms: [LayerNorm; 2],
    qkv: Linear,
    projection: Linear,
    mlp: Mlp,
    heads: usize,
    features: usize,
}

impl Block {
    fn new(params: &mut Params, name: &str, features: usize, heads: usize) -> Result<Block> {
        let at = |what: &str| format!("{name}.{what}");
        Ok(Block {
            norms: [
                LayerNorm::new(params, &at("norm1"), features, EPS)?,
                LayerNorm::new(params, &at("norm2"), features, EPS)?,
            ],
            qkv: Linear::with(params, &at("attn.qkv"), (features, 3 * features), NARROW)?,
            projection: Linear::with(params, &at("attn.proj"), (features, features), NARROW)?,
            mlp: Mlp::new(params, [&at("mlp.fc1"), &at("mlp.fc2")], features, 4 * features)?,
            heads,
            features,
        })
    }
}

impl Layer for Block {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let qkv = self.qkv.forward(&self.norms[0].forward(values, mode)?, mode)?;
        let mixed = self.projection.forward(&tallow_kernels::attention(&qkv, self.heads)?, mode)?;
        let values = tallow_kernels::add_scaled(values, &mixed, None)?;
        let branch = self.mlp.forward(&self.norms[1].forward(&values, mode)?, mode)?;
        Ok(tallow_kernels::add_scaled(&values, &branch, None)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [tokens, features] = *row else { return None };
        let macs = block_macs(tokens, tokens, features, 4 * features);
        (features == self.features).then(|| Outline { shape: row.to_vec(), macs })
    }
}

/// (R, tokens, features) → (R, features): the first token, normed.
struct ClassToken {
    norm: LayerNorm,
}

impl Layer for ClassToken {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.norm.forward(&tallow_kernels::select(values, 1, 0)?, mode)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [_, features] = *row else { return None };
        Some(Outline { shape: vec![features], macs: 0 })
    }
}

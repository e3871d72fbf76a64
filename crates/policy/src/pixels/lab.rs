//! sRGB bytes to CIELAB bytes and back, as OpenCV has them: L · 255 / 100, a + 128, b + 128, white D65.

use std::sync::LazyLock;

const WHITE: [f32; 3] = [0.950456, 1.0, 1.088754];

/// OpenCV's arithmetic of whole numbers: bits behind the point of linear light, of its sums, and of cube roots.
const LIGHT: u32 = 3;
const SUMS: u32 = 12;
const ROOTS: u32 = SUMS + LIGHT;

/// Linear light of each byte, over 255.
static LINEAR: LazyLock<[i32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let value = byte as f64 / 255.0;
        let light = if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
        (f64::from(255 << LIGHT) * light).round_ties_even() as i32
    })
});

/// Cube roots of light up to 1.5, straight near 0.
static ROOT: LazyLock<Vec<i32>> = LazyLock::new(|| {
    let root = |index| {
        let light = f64::from(index) / f64::from(255 << LIGHT);
        let root = if light < 0.008856 { light * 7.787 + 16.0 / 116.0 } else { light.cbrt() };
        (f64::from(1 << ROOTS) * root).round_ties_even() as i32
    };
    (0..256 * 3 / 2 * (1 << LIGHT)).map(root).collect()
});

/// Of red, green and blue in X, Y and Z over the white.
const SHARES: [[i32; 3]; 3] = [[1777, 1541, 778], [871, 2929, 296], [73, 448, 3575]];

/// Rounded to bytes: L to the bit as OpenCV has it.
pub fn to_lab(rgb: [u8; 3]) -> [u8; 3] {
    let light = rgb.map(|byte| LINEAR[usize::from(byte)]);
    let rounded = |value: i32, bits: u32| (value + (1 << (bits - 1))) >> bits;
    let [x, y, z] = SHARES.map(|shares| {
        let sum: i32 = shares.iter().zip(light).map(|(share, light)| share * light).sum();
        ROOT[rounded(sum, SUMS) as usize]
    });
    let (scale, shift) = ((116 * 255 + 50) / 100, (16 * 255 * (1 << ROOTS) + 50) / 100);
    let lab = [scale * y - shift, 500 * (x - y) + (128 << ROOTS), 200 * (y - z) + (128 << ROOTS)];
    lab.map(|value| rounded(value, ROOTS).clamp(0, 255) as u8)
}

/// Rounded to bytes; what is no colour of sRGB is cut.
pub fn from_lab([l, a, b]: [u8; 3]) -> [u8; 3] {
    let l = f32::from(l) * 100.0 / 255.0;
    let (y, fy) = if l <= 8.0 {
        let y = l / 903.3;
        (y, 7.787 * y + 16.0 / 116.0)
    } else {
        let fy = (l + 16.0) / 116.0;
        (fy * fy * fy, fy)
    };
    let cube = |f: f32| if f <= 6.0 / 29.0 { (f - 16.0 / 116.0) / 7.787 } else { f * f * f };
    let x = cube(fy + (f32::from(a) - 128.0) / 500.0) * WHITE[0];
    let z = cube(fy - (f32::from(b) - 128.0) / 200.0) * WHITE[2];
    [
        3.240479 * x - 1.53715 * y - 0.498535 * z,
        -0.969256 * x + 1.875991 * y + 0.041556 * z,
        0.055648 * x - 0.204043 * y + 1.057311 * z,
    ]
    .map(|value| byte(255.0 * gamma(value.clamp(0.0, 1.0))))
}

fn byte(value: f32) -> u8 {
    value.round_ties_even().clamp(0.0, 255.0) as u8
}

fn gamma(value: f32) -> f32 {
    if value <= 0.0031308 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back() {
        // OpenCV 5's cvtColor(COLOR_RGB2LAB) of black, white, red, green, blue and a middle grey.
        let known = [
            ([0, 0, 0], [0, 128, 128]),
            ([255, 255, 255], [255, 128, 128]),
            ([255, 0, 0], [136, 208, 195]),
            ([0, 255, 0], [224, 42, 211]),
            ([0, 0, 255], [82, 207, 20]),
            ([119, 119, 119], [128, 128, 128]),
        ];
        for (rgb, lab) in known {
            assert_eq!(to_lab(rgb), lab, "{rgb:?}");
            let back = from_lab(lab);
            // A byte of L, a and b is coarse where a channel is dark.
            assert!(back.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 7), "{rgb:?} {back:?}");
        }
    }
}

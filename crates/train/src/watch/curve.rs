//! A line of a plot within bounds: of every stretch of a long one the lowest and the highest point.

/// Points (x, y) by increasing x.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    stretches: Vec<Stretch>,
    /// Points of each stretch but the last.
    wide: u32,
    /// Points of the last stretch.
    held: u32,
    last: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    low: (f64, f64),
    high: (f64, f64),
}

/// More stretches are joined by twos.
const STRETCHES: usize = 256;

impl Stretch {
    fn join(self, other: Stretch) -> Stretch {
        // A value that is none gives way to one.
        let low = if other.low.1 < self.low.1 || self.low.1.is_nan() { other.low } else { self.low };
        let high = if other.high.1 > self.high.1 || self.high.1.is_nan() { other.high } else { self.high };
        Stretch { low, high }
    }
}

impl Curve {
    pub fn push(&mut self, x: f64, y: f64) {
        let point = Stretch { low: (x, y), high: (x, y) };
        self.last = Some((x, y));
        match self.stretches.last_mut() {
            Some(last) if self.held < self.wide => {
                *last = last.join(point);
                self.held += 1;
            }
            _ => {
                if self.stretches.len() == STRETCHES {
                    let pairs = self.stretches.chunks(2);
                    self.stretches = pairs.map(|pair| pair[0].join(pair[pair.len() - 1])).collect();
                    self.wide *= 2;
                }
                self.wide = self.wide.max(1);
                self.held = 1;
                self.stretches.push(point);
            }
        }
    }

    /// At most 512.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::with_capacity(2 * self.stretches.len());
        for Stretch { low, high } in &self.stretches {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            points.push(*first);
            if first.0 != second.0 {
                points.push(*second);
            }
        }
        points
    }

    pub fn last(&self) -> Option<f64> {
        self.last.map(|(_, y)| y)
    }

    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }
}

//! Which tokens attend to each other: those of an image, or of one window of it.

/// Groups of `size` tokens each, all of a batch.
pub(super) struct Groups {
    images: usize,
    per_image: usize,
    size: usize,
    /// Token of the image at each place of its groups; none where they are in order.
    order: Option<Vec<u32>>,
    /// Region of the rolled map that each of these tokens comes from; pairs of different ones are masked.
    region: Option<Vec<u8>>,
    /// All of this follows from these numbers.
    of: [u64; 5],
}

/// What a pair of tokens from different regions gets.
pub(super) const MASK: f64 = -100.0;

impl Groups {
    pub fn whole(images: usize, tokens: usize) -> Groups {
        let of = [images, tokens, 0, 0, 0].map(|n| n as u64);
        Groups { images, per_image: 1, size: tokens, order: None, region: None, of }
    }

    pub fn windows(images: usize, (h, w): (usize, usize), window: usize, shift: usize) -> Groups {
        let rolled = |n: usize| if n > window { shift } else { 0 };
        let (down, right) = (rolled(h), rolled(w));
        let part = |i: usize, n: usize, roll: usize| match i {
            _ if roll == 0 || i < n - window => 0u8,
            _ if i < n - roll => 1,
            _ => 2,
        };
        let (mut order, mut region) = (Vec::new(), Vec::new());
        for i0 in (0..h).step_by(window) {
            for j0 in (0..w).step_by(window) {
                for (i, j) in (i0..i0 + window).flat_map(|i| (j0..j0 + window).map(move |j| (i, j))) {
                    order.push(((i + down) % h * w + (j + right) % w) as u32);
                    region.push(3 * part(i, h, down) + part(j, w, right));
                }
            }
        }
        let region = (down + right > 0).then_some(region);
        Groups {
            images,
            per_image: h / window * (w / window),
            size: window * window,
            order: Some(order),
            region,
            of: [images, h, w, window, shift].map(|n| n as u64),
        }
    }

    /// Sizes that decide what all of the others answer.
    pub fn sizes(&self) -> &[u64] {
        &self.of
    }

    /// Groups of the batch.
    pub fn count(&self) -> usize {
        self.images * self.per_image
    }

    /// Tokens of a group.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Tokens of the batch.
    pub fn tokens(&self) -> usize {
        self.count() * self.size
    }

    /// The token of the batch that stands first where the group's are in order; else the first of its image, and which of
    /// its tokens the group has.
    pub fn of(&self, group: usize) -> (usize, Option<&[u32]>) {
        let (image, at) = (group / self.per_image, group % self.per_image);
        let order = self.order.as_ref().map(|order| &order[at * self.size..][..self.size]);
        (image * self.per_image * self.size, order)
    }

    /// The regions of the group's tokens where they are several.
    pub fn regions(&self, group: usize) -> Option<&[u8]> {
        let at = group % self.per_image * self.size;
        let region = &self.region.as_ref()?[at..][..self.size];
        region.iter().any(|r| *r != region[0]).then_some(region)
    }

    /// The token of the batch at each place of each group.
    pub fn places(&self) -> Vec<u32> {
        let groups = (0..self.count()).map(|group| self.of(group));
        let places = groups.flat_map(|(first, order)| match order {
            Some(order) => order.iter().map(|t| first as u32 + t).collect::<Vec<_>>(),
            None => (first as u32..(first + self.size) as u32).collect(),
        });
        places.collect()
    }

    /// The place of each token of the batch: the inverse of [`Self::places`].
    pub fn back(&self) -> Vec<u32> {
        let mut back = vec![0; self.tokens()];
        self.places().iter().zip(0..).for_each(|(token, place)| back[*token as usize] = place);
        back
    }

    /// Of each token of each group of one image, the region of the rolled map that it comes from; one for all where it was not rolled.
    pub fn all_regions(&self) -> Vec<u32> {
        match &self.region {
            Some(region) => region.iter().map(|r| u32::from(*r)).collect(),
            None => vec![0; self.per_image * self.size],
        }
    }

    /// (groups, size, size): 0 or [`MASK`].
    pub fn mask(&self) -> Vec<f64> {
        let mut mask = Vec::new();
        for group in 0..self.count() {
            match self.regions(group) {
                Some(regions) => mask.extend(
                    regions.iter().flat_map(|a| regions.iter().map(move |b| if a == b { 0.0 } else { MASK })),
                ),
                None => mask.resize(mask.len() + self.size * self.size, 0.0),
            }
        }
        mask
    }
}

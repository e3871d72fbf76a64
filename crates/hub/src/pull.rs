//! A model with what lies beside its weights.

use crate::{Error, Fetched, Hub, Progress, Result};

/// Names that weights have, the best first: a file of PyTorch is taken only where there is nothing else.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

impl Hub {
    /// Fetches the weights of `owner/name[@revision]`, and of the same commit those files of `beside` that the repository has.
    /// The weights are the first of [`Fetched::files`].
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub fn pull(
        &self,
        reference: &str,
        beside: &[&str],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Fetched> {
        let [best, other] = WEIGHTS;
        let mut fetched = match self.fetch(reference, &[best], progress) {
            Err(error @ (Error::NoFile { .. } | Error::NotCached { .. })) => {
                // Of the two complaints the one about the file that should be there.
                self.fetch(reference, &[other], progress).map_err(|_| error)?
            }
            other => other?,
        };
        let (repository, _) = reference.split_once('@').unwrap_or((reference, ""));
        let pinned = format!("{repository}@{}", fetched.commit);
        for file in beside {
            match self.fetch(&pinned, &[file], progress) {
                Ok(more) => fetched.files.extend(more.files),
                Err(Error::NoFile { .. } | Error::NotCached { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(fetched)
    }
}

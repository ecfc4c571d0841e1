//! BLAKE3 of what passes through a writer, and of files. It knows nothing of what it hashes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Returns the hash of a file's bytes.
pub(crate) fn hash_of_file(path: &Path) -> io::Result<blake3::Hash> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(hashing.finish())
}

/// A writer that hashes every byte it passes on.
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }

    pub(crate) fn inner(&self) -> &W {
        &self.inner
    }

    /// Returns the hash of all bytes written so far.
    pub(crate) fn finish(&self) -> blake3::Hash {
        self.hasher.finalize()
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

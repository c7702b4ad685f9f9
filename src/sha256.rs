//! SHA-256 (FIPS 180-4), computed by `ring`, which is a dependency of TLS for downloads anyway.

use std::io;

use ring::digest::{Context, SHA256, digest};

/// An incremental SHA-256.
#[derive(Clone)]
pub(crate) struct Sha256(Context);

impl Sha256 {
    /// Starts a digest.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Starts a digest with `prefix` as the first bytes.
    pub fn new_with_prefix(prefix: impl AsRef<[u8]>) -> Self {
        let mut digest = Self::new();
        digest.update(prefix);
        digest
    }

    /// Returns the digest of `bytes`.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        array(digest(&SHA256, bytes).as_ref())
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes.as_ref());
    }

    /// Returns the digest of all appended bytes.
    pub fn finalize(self) -> [u8; 32] {
        array(self.0.finish().as_ref())
    }
}

impl io::Write for Sha256 {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn array(digest: &[u8]) -> [u8; 32] {
    digest.try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests of the empty string and of "abc", as in NIST's examples and printed by coreutils'
    /// `sha256sum`.
    #[test]
    fn digests_agree_with_the_standard() {
        let hexadecimal = |digest: [u8; 32]| crate::printable::hexadecimal(&digest);
        assert_eq!(
            hexadecimal(Sha256::digest(b"")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let mut pieces = Sha256::new_with_prefix("a");
        io::copy(&mut &b"bc"[..], &mut pieces).unwrap();
        let digest = hexadecimal(pieces.finalize());
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

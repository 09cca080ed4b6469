//! Deflate (RFC 1951) for what files are made of, bare or in zlib's wrapping, by libdeflate: the same bytes in, the same bytes out.
//!
//! Each thread keeps one compressor for what is made anew for each document, because setting one up costs as much as using it.

use std::cell::RefCell;

use libdeflater::{CompressionLvl, Compressor};

/// How hard to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    /// For what is made anew for each document: outlines and JPEG hardly shrink further, however long one tries.
    Quick,
    /// For what is kept with a record: twice the time.
    Good,
    /// For what is compressed once and copied into each document: some milliseconds.
    Best,
}

thread_local! {
    static QUICK: RefCell<Compressor> = RefCell::new(compressor(Effort::Quick));
}

/// The bytes as zlib wraps them (RFC 1950), which is what PDF's `FlateDecode` reads.
pub fn zlib(bytes: &[u8], effort: Effort) -> Vec<u8> {
    with(effort, |compressor| {
        let mut packed = vec![0; compressor.zlib_compress_bound(bytes.len())];
        let length = compressor.zlib_compress(bytes, &mut packed);
        packed.truncate(length.expect("it fits into its bound"));
        packed
    })
}

/// The bytes deflated and nothing around them, as in a zip archive.
pub fn bare(bytes: &[u8], effort: Effort) -> Vec<u8> {
    with(effort, |compressor| {
        let mut packed = vec![0; compressor.deflate_compress_bound(bytes.len())];
        let length = compressor.deflate_compress(bytes, &mut packed);
        packed.truncate(length.expect("it fits into its bound"));
        packed
    })
}

/// The check sum that a zip archive keeps beside [`bare`] data.
pub fn crc32(bytes: &[u8]) -> u32 {
    libdeflater::crc32(bytes)
}

fn with<T>(effort: Effort, work: impl FnOnce(&mut Compressor) -> T) -> T {
    match effort {
        Effort::Quick => QUICK.with_borrow_mut(work),
        // Best needs megabytes to work in, seldom: not kept.
        Effort::Good | Effort::Best => work(&mut compressor(effort)),
    }
}

fn compressor(effort: Effort) -> Compressor {
    let level = match effort {
        Effort::Quick => 6,
        Effort::Good => 7,
        Effort::Best => 12,
    };
    Compressor::new(CompressionLvl::new(level).expect("libdeflate has these levels"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::{DeflateDecoder, ZlibDecoder};

    use super::*;

    #[test]
    fn deflated_bytes_inflate_again_even_when_they_grow() {
        let noise: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for bytes in [&b""[..], b"abc", &[7; 70_000], &noise] {
            for effort in [Effort::Quick, Effort::Good, Effort::Best] {
                let mut back = [Vec::new(), Vec::new()];
                ZlibDecoder::new(&zlib(bytes, effort)[..]).read_to_end(&mut back[0]).unwrap();
                DeflateDecoder::new(&bare(bytes, effort)[..]).read_to_end(&mut back[1]).unwrap();
                assert!(back.iter().all(|back| back == bytes), "{} bytes", bytes.len());
                assert_eq!(zlib(bytes, effort), zlib(bytes, effort));
            }
        }
    }

    #[test]
    fn the_check_sum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}

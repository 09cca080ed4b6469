//! The comparison of pictures that other tests rely on must itself see what it should.

#[path = "support/pictures.rs"]
mod pictures;

use image::{Rgb, RgbImage};
use pictures::{Tolerance, against_reference, compare};
use tempfile::TempDir;

const EXACT: Tolerance = Tolerance { channel: 0, share: 0.0 };

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("memory takes it");
    bytes.into_inner()
}

fn grey(level: u8) -> RgbImage {
    RgbImage::from_pixel(10, 10, Rgb([level; 3]))
}

/// A grey picture with one darker pixel.
fn spotted() -> RgbImage {
    let mut picture = grey(200);
    picture.put_pixel(3, 4, Rgb([100, 200, 200]));
    picture
}

#[test]
fn the_same_picture_passes_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let (reference, shown) = (folder.path().join("a.png"), folder.path().join("diff/a.png"));
    std::fs::write(&reference, png(&spotted())).unwrap();
    assert_eq!(compare(&reference, &png(&spotted()), EXACT, false, &shown), Ok(()));
    assert!(!shown.exists());
    let mut faults = Vec::new();
    against_reference(&reference, &png(&spotted()), &mut faults);
    assert_eq!(faults, [""; 0]);
}

#[test]
fn tolerance_is_by_channel_and_by_share() {
    let folder = TempDir::new().unwrap();
    let (reference, shown) = (folder.path().join("a.png"), folder.path().join("a-diff.png"));
    std::fs::write(&reference, png(&grey(200))).unwrap();
    for (actual, channel, share, passes) in [
        (grey(203), 3, 0.0, true),
        (grey(203), 2, 0.0, false),
        (spotted(), 3, 0.01, true),
        (spotted(), 3, 0.009, false),
        (spotted(), 100, 0.0, true),
    ] {
        let verdict = compare(&reference, &png(&actual), Tolerance { channel, share }, false, &shown);
        assert_eq!(verdict.is_ok(), passes, "{channel}, {share}: {verdict:?}");
    }
}

#[test]
fn a_difference_is_shown_in_three_panels() {
    let folder = TempDir::new().unwrap();
    let (reference, shown) = (folder.path().join("a.png"), folder.path().join("deep/er/a.png"));
    std::fs::write(&reference, png(&grey(200))).unwrap();
    let fault = compare(&reference, &png(&spotted()), EXACT, false, &shown).unwrap_err();
    assert!(fault.starts_with("1 pixels (1.0000 %) differ by more than 0, the largest by 100"), "{fault}");
    let panels = image::open(&shown).unwrap().into_rgb8();
    assert_eq!(panels.dimensions(), (46, 10));
    let spot = |panel: u32| panels.get_pixel(panel * 18 + 3, 4).0;
    assert_eq!([spot(0), spot(1), spot(2)], [[200; 3], [220, 0, 0], [100, 200, 200]]);
    assert_eq!(panels.get_pixel(18, 0).0, [242; 3], "what is the same is pale");
}

#[test]
fn another_size_is_a_difference() {
    let folder = TempDir::new().unwrap();
    let (reference, shown) = (folder.path().join("a.png"), folder.path().join("d.png"));
    std::fs::write(&reference, png(&grey(200))).unwrap();
    let larger = RgbImage::from_pixel(10, 12, Rgb([200; 3]));
    let fault = compare(&reference, &png(&larger), Tolerance { channel: 255, share: 1.0 }, false, &shown).unwrap_err();
    assert!(fault.contains("(10, 10)") && fault.contains("(10, 12)"), "{fault}");
    assert_eq!(image::open(&shown).unwrap().into_rgb8().get_pixel(18, 11).0, [220, 0, 0]);
}

#[test]
fn a_missing_or_replaced_reference_fails_the_run() {
    let folder = TempDir::new().unwrap();
    let (reference, shown) = (folder.path().join("new/a.png"), folder.path().join("d.png"));
    let fault = compare(&reference, &png(&grey(9)), EXACT, false, &shown).unwrap_err();
    assert!(fault.contains("does not exist yet") && !reference.exists(), "{fault}");

    let fault = compare(&reference, &png(&grey(9)), EXACT, true, &shown).unwrap_err();
    assert!(fault.contains("is rewritten"), "{fault}");
    assert_eq!(std::fs::read(&reference).unwrap(), png(&grey(9)));
    assert_eq!(compare(&reference, &png(&grey(9)), EXACT, true, &shown), Ok(()), "nothing to rewrite");
}

//! The QR code of a link, as SVG for print and as PNG for what takes no SVG. Records no click.

use std::ops::RangeInclusive;

use fast_qr::{Module, QRCode};
use hyper::{Request, StatusCode};

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::request;

/// The white modules around a code that readers need.
const QUIET: usize = 4;
/// The pixels of a side, where the request names no number.
const SIZE: usize = 512;
const SIZES: RangeInclusive<usize> = 64..=2048;

/// `GET /{slug}.qr`: the link as an SVG.
pub(crate) fn svg<B>(worker: &WorkerContext, request: &Request<B>, slug: &str) -> Answer {
    let code = match code(worker, request, slug) {
        Ok(code) => code,
        Err(refusal) => return *refusal,
    };
    let svg = fast_qr::convert::svg::SvgBuilder::default().to_str(&code);
    answer::with_body(svg.into(), "image/svg+xml")
}

/// `GET /{slug}.qr.png?size=`: the link as a PNG with so many pixels a side.
pub(crate) fn png<B>(worker: &WorkerContext, request: &Request<B>, slug: &str) -> Answer {
    let code = match code(worker, request, slug) {
        Ok(code) => code,
        Err(refusal) => return *refusal,
    };
    let query = request.uri().query().unwrap_or_default();
    match size(query).and_then(|size| picture(&code, size)) {
        Some(picture) => answer::with_body(picture.into(), "image/png"),
        None => answer::text(
            StatusCode::BAD_REQUEST,
            format!(
                "size: expected a number from {} to {}, and at least {} for this address\n",
                SIZES.start(),
                SIZES.end(),
                code.size + 2 * QUIET
            ),
        ),
    }
}

/// Returns the code of a link's address, or the answer to a request for none.
fn code<B>(
    worker: &WorkerContext,
    request: &Request<B>,
    slug: &str,
) -> Result<QRCode, Box<Answer>> {
    let snapshot = worker.snapshot.load();
    let misdirected = || Box::new(answer::misdirected());
    let host = request::host(request).ok_or_else(misdirected)?;
    let scope = snapshot.scope_of(&host).ok_or_else(misdirected)?;
    let not_found = || Box::new(answer::not_found());
    snapshot.link(scope, slug).ok_or_else(not_found)?;
    let https = worker.is_https(&request::Headers::of(request));
    let authority = request
        .headers()
        .get(hyper::header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or(&host);
    let address = format!("{}://{authority}/{slug}", if https { "https" } else { "http" });
    fast_qr::QRBuilder::new(address).build().map_err(|_| not_found())
}

/// Returns the size that a query asks for; `None` for one that is no size.
fn size(query: &str) -> Option<usize> {
    let Some(asked) = query.split('&').find_map(|pair| pair.strip_prefix("size=")) else {
        return Some(SIZE);
    };
    asked.parse().ok().filter(|size| SIZES.contains(size))
}

/// Draws a code as large as its modules fit into the size, in the middle. Returns `None` where a
/// module would have no pixel.
fn picture(code: &QRCode, size: usize) -> Option<Vec<u8>> {
    let scale = size / (code.size + 2 * QUIET);
    let margin = (size - scale * code.size) / 2;
    if scale == 0 {
        return None;
    }
    let white = vec![u8::MAX; size.div_ceil(8)];
    let mut bits = Vec::with_capacity(size * white.len());
    bits.extend(white.repeat(margin));
    for row in 0..code.size {
        // All lines of a row are the same: a large picture must not keep redirects waiting.
        bits.extend(line(&code[row], size, scale, margin).repeat(scale));
    }
    bits.extend(white.repeat(size - margin - scale * code.size));
    encoded(size, &bits)
}

/// Draws one line of pixels: a bit each, white by default.
fn line(row: &[Module], size: usize, scale: usize, margin: usize) -> Vec<u8> {
    let mut line = vec![u8::MAX; size.div_ceil(8)];
    for (column, _) in row.iter().enumerate().filter(|(_, module)| module.value()) {
        let first = margin + column * scale;
        (first..first + scale).for_each(|pixel| line[pixel / 8] &= !(128 >> (pixel % 8)));
    }
    line
}

/// Returns a picture of one bit a pixel as PNG.
fn encoded(size: usize, bits: &[u8]) -> Option<Vec<u8>> {
    let side = u32::try_from(size).ok()?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(bits).ok()?;
    writer.finish().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a picture back: the pixels of a side, and which are dark.
    fn read(file: &[u8]) -> (usize, Vec<bool>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bits = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bits).unwrap();
        let side = usize::try_from(info.width).unwrap();
        assert_eq!((info.height, info.color_type), (info.width, png::ColorType::Grayscale));
        let dark = |at: usize| {
            bits[at / side * info.line_size + at % side / 8] & 128 >> (at % side % 8) == 0
        };
        (side, (0..side * side).map(dark).collect())
    }

    #[test]
    fn a_picture_has_every_module_and_four_white_ones_around() {
        let code = fast_qr::QRBuilder::new("https://go.shop.example/anna").build().unwrap();
        for size in [64, 65, 200, 512, 2048] {
            let (side, dark) = read(&picture(&code, size).unwrap());
            assert_eq!(side, size);
            let scale = size / (code.size + 8);
            let margin = (size - scale * code.size) / 2;
            assert!(scale > 0 && margin >= 4 * scale);
            for (at, is_dark) in dark.into_iter().enumerate() {
                let place = |pixel: usize| pixel.checked_sub(margin).map(|pixel| pixel / scale);
                let inside = |place: &usize| *place < code.size;
                let (row, column) =
                    (place(at / size).filter(inside), place(at % size).filter(inside));
                let expected =
                    row.zip(column).is_some_and(|(row, column)| code[row][column].value());
                assert_eq!(is_dark, expected, "{at} of {size}");
            }
        }
    }

    #[test]
    fn a_size_is_a_number_within_bounds_and_leaves_every_module_a_pixel() {
        for (query, expected) in [
            ("", Some(512)),
            ("x=1", Some(512)),
            ("size=64", Some(64)),
            ("x=1&size=2048", Some(2048)),
            ("size=63", None),
            ("size=2049", None),
            ("size=", None),
            ("size=-64", None),
            ("size=64.5", None),
        ] {
            assert_eq!(size(query), expected, "{query}");
        }
        let long = format!("https://go.shop.example/{}", "a".repeat(300));
        let code = fast_qr::QRBuilder::new(long).build().unwrap();
        assert_eq!(picture(&code, 64), None);
        assert!(picture(&code, 200).is_some());
    }
}

//! The border between shell and core: one function, and a part of the memory that neither side uses
//! for anything else.
//!
//! Texts cross as bytes that the shell writes and reads itself. Every other way costs more than the
//! whole core.

use wasm_bindgen::prelude::*;

use crate::{order, uuid};

/// The address at which the crossing bytes begin: behind the page of the core's stack and data
/// (`build.rs`). The shell uses the same number. It never writes beyond the end of the memory:
/// `web/order.js` limits what an order may hold.
const CROSSING: usize = 65536;
/// The length of an event id in bytes.
const ID_BYTES: usize = 36;

/// Checks the `len` bytes of an order's fields. If a field is invalid, returns its place. Otherwise
/// writes an event id over the 36 random bytes behind the fields, and returns a negative number.
/// The time comes as two halves.
#[wasm_bindgen]
pub fn check(len: usize, now_ms_high: u32, now_ms_low: u32) -> i32 {
    #[expect(
        unsafe_code,
        reason = "the part of the memory that crosses has no other owner in Rust"
    )]
    // SAFETY: the linker gives these pages to nothing else: stack and data lie below, and there is
    // no allocator. The shell touches them only between calls, so nothing aliases the slice while
    // it lives.
    let crossing = unsafe {
        core::slice::from_raw_parts_mut(
            core::ptr::with_exposed_provenance_mut(CROSSING),
            len + ID_BYTES,
        )
    };
    let Some((fields, id)) = crossing.split_at_mut_checked(len) else { return 0 };
    if let Some(place) = order::wrong_field(fields) {
        return place;
    }
    uuid::spell_v7(now_ms_high, now_ms_low, id);
    -1
}

#[panic_handler]
fn never(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// An allocator that always fails. wasm-bindgen's runtime requires one, but no code here calls it.
struct NoAllocator;

#[global_allocator]
static ALLOCATOR: NoAllocator = NoAllocator;

#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
// SAFETY: an allocator may refuse every request.
unsafe impl core::alloc::GlobalAlloc for NoAllocator {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}

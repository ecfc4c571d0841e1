//! The memory that lasts: the pixel, with the room of all its texts.
//!
//! There is one thread and no allocator. Nobody but [`pixel`] reaches it.

use core::cell::UnsafeCell;

use super::window::Browser;
use crate::pixel::Pixel;

struct Memory(UnsafeCell<Pixel<Browser>>);

#[expect(unsafe_code, reason = "a static must be shareable")]
// SAFETY: WebAssembly runs this module in one thread.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new(Pixel::new(Browser::NEW)));

/// The pixel. The adapter lets a call wait that comes while one is under way (`tell` in
/// `web/adapter.js`), and the two exports call this once each.
#[inline(always)]
pub(super) fn pixel() -> &'static mut Pixel<Browser> {
    #[expect(unsafe_code, reason = "nobody but the exports asks for it")]
    // SAFETY: no export runs while another one does, so there is one reference at a time.
    unsafe {
        &mut *MEMORY.0.get()
    }
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

//! An allocator that overwrites memory before it frees it.
#![expect(unsafe_code, reason = "the allocator interface is unsafe")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{Ordering, compiler_fence},
};

/// The system's allocator, but each block is overwritten with zeros when it is freed.
///
/// For programs that handle secrets: copies that a parser or a D-Bus library leaves on the heap are
/// erased once freed. Blocks that grow are always copied, so that the old block is erased too.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WipingAllocator;

impl WipingAllocator {
    /// Creates the allocator, for `#[global_allocator]`.
    pub const fn new() -> Self {
        Self
    }
}

// SAFETY: every block comes from `System` with the caller's layout and goes back to `System` with
// that layout; `realloc` keeps the default, which allocates, copies and frees through this type.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees a layout of non-zero size.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees a layout of non-zero size.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        for offset in 0..layout.size() {
            // SAFETY: the caller guarantees that `block` is a live block of `layout`, so each of
            // its `layout.size()` bytes may be written. Volatile, because nobody reads them again.
            unsafe { block.add(offset).write_volatile(0) };
        }
        // Keeps the writes before the block goes back.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: `block` came from `System` with this layout and is not used again.
        unsafe { System.dealloc(block, layout) };
    }
}

//! What a process can do for the secrets in its memory.
#![expect(
    unsafe_code,
    reason = "registers are cleared by an instruction that Rust has no name for"
)]

use std::hint::black_box;

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// Keeps this process's memory out of core dumps and from other processes of the same
        /// user, as far as the operating system can. Does nothing where it cannot.
        pub fn refuse_dumps() {
            // A kernel that refuses leaves things as they are; the program works all the same.
            rustix::process::set_dumpable_behavior(
                rustix::process::DumpableBehavior::NotDumpable,
            )
            .ok();
        }
    } else {
        /// Keeps this process's memory out of core dumps and from other processes of the same
        /// user, as far as the operating system can. Does nothing where it cannot.
        pub fn refuse_dumps() {}
    }
}

/// Does `work`, then overwrites what it left on this thread's stack and in its vector registers,
/// whether it returned or panicked.
///
/// Copies of short texts and of keys stay in both long after the values were wiped. Up to 512 KiB of
/// the stack are overwritten; other threads have stacks of their own. The registers are cleared on
/// Linux on x86-64 alone.
pub fn leave_no_traces<T>(work: impl FnOnce() -> T) -> T {
    let _traces = Traces;
    apart(work)
}

struct Traces;

impl Drop for Traces {
    fn drop(&mut self) {
        overwrite_stack(STACK / BLOCK);
        clear_registers();
    }
}

/// In a frame of its own: what is inlined into the caller's frame would not be overwritten.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite_stack(blocks: usize) {
    let mut block = [0_u8; BLOCK];
    // Nobody may conclude that the block is not needed, nor leave it before the deeper ones.
    black_box(&mut block);
    if blocks > 1 {
        overwrite_stack(blocks - 1);
    }
    black_box(&mut block);
}

cfg_if::cfg_if! {
    if #[cfg(all(target_os = "linux", target_arch = "x86_64"))] {
        #[inline(never)]
        fn clear_registers() {
            #[repr(C, align(64))]
            struct Area([u32; 144]);

            if !std::arch::is_x86_feature_detected!("xsave") {
                return;
            }
            let mut area = Area([0; 144]);
            area.0[MXCSR] = DEFAULT_MXCSR;
            // SAFETY: the processor and the kernel have XSAVE, as was just asked. The area is 576
            // bytes long and aligned to 64, the least that the instruction reads. Its header is
            // zero, so every component asked for takes its initial state and nothing beyond is
            // read. MXCSR gets the value that the ABI prescribes. The ABI keeps no vector register
            // across a call, and `clobber_abi` names them all.
            unsafe {
                std::arch::asm!(
                    "xrstor64 [{area}]",
                    area = in(reg) &raw const area,
                    in("eax") VECTORS,
                    in("edx") 0,
                    clobber_abi("C"),
                    options(nostack),
                );
            }
        }

        /// Where MXCSR lies in the area, in units of four bytes.
        const MXCSR: usize = 6;
        const DEFAULT_MXCSR: u32 = 0x1f80;
        /// The state components SSE, AVX, and the three of AVX-512.
        const VECTORS: u32 = 0b1110_0110;
    } else {
        fn clear_registers() {}
    }
}

/// The deepest that the program `tokenkeep` was seen to go is a quarter of it.
const STACK: usize = 512 * 1024;
const BLOCK: usize = 16 * 1024;

//! Erases traces of secrets from the memory of a process.
//!
//! `Zeroizing` wipes only the value that it holds. Compilers and copy routines leave further copies
//! on the stack and in vector registers, which no safe Rust code can reach. So the stack below a
//! call that handles secrets is overwritten, and the registers are cleared by instructions.
#![allow(unsafe_code, reason = "registers are cleared by instructions that Rust has no name for")]

pub(crate) mod allocator;

use std::hint::black_box;

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// Keeps this process's memory out of core dumps and from other processes of the same user,
        /// as far as the operating system can. Otherwise does nothing.
        pub fn refuse_dumps() {
            // If the kernel refuses, the program still works, so the error is ignored.
            rustix::process::set_dumpable_behavior(
                rustix::process::DumpableBehavior::NotDumpable,
            )
            .ok();
        }
    } else {
        /// Keeps this process's memory out of core dumps and from other processes of the same user,
        /// as far as the operating system can. Otherwise does nothing.
        pub fn refuse_dumps() {}
    }
}

/// Runs `work`, then overwrites what it left on this thread's stack and in its vector registers,
/// whether it returned or panicked.
///
/// Copies of short texts and of keys remain in both long after the values were wiped. 64 KiB of the
/// stack are overwritten. Other threads have their own stacks. The vector registers are cleared
/// only on Linux on x86-64 with AVX.
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

/// Runs `work` in a separate stack frame. If it were inlined into the caller's frame, its data
/// would not be overwritten.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite_stack(blocks: usize) {
    let mut block = [0_u8; BLOCK];
    // Stops the compiler from removing the buffer or turning the recursion into a tail call.
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
            if std::arch::is_x86_feature_detected!("avx") {
                // SAFETY: the processor and the kernel have AVX, as was just asked. The instruction
                // touches the registers 0 to 15 and no memory; `clobber_abi` names them all, and
                // the ABI keeps none of them across a call.
                unsafe {
                    std::arch::asm!("vzeroall", clobber_abi("C"), options(nomem, nostack));
                }
            }
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: as above, for AVX-512 and the registers 16 to 31.
                unsafe {
                    std::arch::asm!(
                        "vpxord zmm16, zmm16, zmm16",
                        "vpxord zmm17, zmm17, zmm17",
                        "vpxord zmm18, zmm18, zmm18",
                        "vpxord zmm19, zmm19, zmm19",
                        "vpxord zmm20, zmm20, zmm20",
                        "vpxord zmm21, zmm21, zmm21",
                        "vpxord zmm22, zmm22, zmm22",
                        "vpxord zmm23, zmm23, zmm23",
                        "vpxord zmm24, zmm24, zmm24",
                        "vpxord zmm25, zmm25, zmm25",
                        "vpxord zmm26, zmm26, zmm26",
                        "vpxord zmm27, zmm27, zmm27",
                        "vpxord zmm28, zmm28, zmm28",
                        "vpxord zmm29, zmm29, zmm29",
                        "vpxord zmm30, zmm30, zmm30",
                        "vpxord zmm31, zmm31, zmm31",
                        clobber_abi("C"),
                        options(nomem, nostack),
                    );
                }
            }
        }
    } else {
        fn clear_registers() {}
    }
}

/// Twice the stack depth measured for the program `tokenkeep`. Each page costs time.
const STACK: usize = 64 * 1024;
const BLOCK: usize = 16 * 1024;

#pragma once

// Builds of a hot loop for several processors, chosen when the program is loaded. Sanitizers do not survive
// that (their runtime is not set up yet). Without contraction all of them give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define LATHE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LATHE_CLONES
#endif

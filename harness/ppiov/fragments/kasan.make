# SPDX-License-Identifier: GPL-2.0-only
#
# Each object that is allocated or freed has its stack taken, by KASAN, kmemleak
# and ref_tracker alike; instrumented, the unwinder is half of what a KASAN kernel
# does. It reads stacks, where what it takes for a frame may be anything (the
# kernel's own makefile leaves it out for KMSAN for that), and a search in the
# exception table, which ends each kernel address that is looked up.
KASAN_SANITIZE_unwind_frame.o=n
KASAN_SANITIZE_stacktrace.o=n
KASAN_SANITIZE_extable.o=n

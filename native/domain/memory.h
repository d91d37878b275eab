/* SPDX-License-Identifier: Apache-2.0 */
// What this process keeps of memory that it no longer uses, and who may look at what it has.
#pragma once

namespace tlshub {

// Two things that make a process larger than what it uses, by chance and for good, are turned off:
// - glibc raises the size from which it maps memory of its own for a request, and the one from which it gives the end of a heap back, with
//   what a program frees (mallopt(3), "dynamic mmap threshold"): one large allocation of the compiler's makes every thread keep megabytes.
// - The kernel fills up the 2 MB around memory that is in use, where a program has mapped so much, even what has been given back
//   (Documentation/admin-guide/mm/transhuge.rst, khugepaged; its default takes a single page in use for a reason). The mapped parts of the
//   heaps of threads that rest are little used. PR_SET_THP_DISABLE: prctl(2).
// Never fails: without it the process is larger.
void boundMemory();

// Gives back the whole pages that the allocator has free, anywhere in its heaps (malloc_trim(3)). Takes each heap's lock in turn; 1.4 ms for
// 26 MB with 50,000 free pieces.
void trimMemory();

// Keeps the memory of this process, and of children that it forks, to itself. Once, before there are secrets.
// - No core dump, wherever core_pattern sends them, and nobody looks at it by ptrace or /proc but a process with CAP_SYS_PTRACE
//   (PR_SET_DUMPABLE: prctl(2)). Files in /proc/PID are root's then, as they are for a program that root has started.
// - Children that are programs of their own leave no core dump either (RLIMIT_CORE): what was handed to them may be in it.
// Throws SysError: then neither is so.
void keepMemoryPrivate();

// The same, and maps the memory for secrets. Throws CodedError.
void protectSecrets();

}  // namespace tlshub

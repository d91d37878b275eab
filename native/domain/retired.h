/* SPDX-License-Identifier: Apache-2.0 */
// Programs of the gate that are detached while somebody is still in front of them.
//
// Who sleeps does so in a program that stands in front of the gate's (sleeping.h), in one image of code that calls both. The kernel keeps that
// image until he has left it, but not what it is about to call: a program that does not sleep itself is freed as soon as all processors have
// been elsewhere (kernel/bpf/syscall.c, __bpf_prog_put_noref()). So he would wake and run into memory that is nobody's, which ends the machine.
// What is detached therefore stays pinned, in PIN_DIR/retired, until the programs that slept in front of it are freed: those the kernel does keep
// for who is in them, and with them goes a map that only they have.
//
// Newer kernels (seen on 7.3) write a jump over each detached program into the images that still have it. There he would not meet the gate at all.
// So the programs that put to sleep are told first, by that map of theirs (bpf/standing.h), and from then on they answer who has slept themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tlshub {

struct Retired {
  std::vector<std::string> pins;  // that were made
  std::vector<uint32_t> told;     // ids of the maps
};

// Before links go that are pinned in PIN_DIR/links: pins their programs, and tells those that put to sleep. Throws SysError.
Retired retirePinned(const std::string& pinDir);
// The same for links by their descriptors.
Retired retire(const std::string& pinDir, const std::vector<int>& links);
// They do not go after all. Throws SysError.
void takeBack(const Retired& retired);

// Lets those go that nobody will call any more, and the folder with the last one. Returns how many stay.
size_t dropRetired(const std::string& pinDir);
// The same, for at most so long.
size_t awaitRetired(const std::string& pinDir, uint64_t ms);

}  // namespace tlshub

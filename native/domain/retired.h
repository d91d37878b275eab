/* SPDX-License-Identifier: Apache-2.0 */
// Programs of the gate that are detached and may be called once more.
//
// Who sleeps does so in a program that stands in front of the gate's (sleeping.h), in one image of code that calls both. The kernel keeps that
// image until he has left it, but not what it is about to call: a program that does not sleep itself is freed as soon as all processors have
// been elsewhere (kernel/bpf/syscall.c, __bpf_prog_put_noref()). So he would wake and run into memory that is nobody's, which ends the machine.
// What is detached therefore stays pinned, in PIN_DIR/retired, until the programs that slept in front of it are freed: those the kernel does keep
// for who is in them, and with them goes a map that only they have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tlshub {

// Before links go that are pinned in PIN_DIR/links: pins their programs. Returns the pins that it has made. Throws SysError.
std::vector<std::string> retirePinned(const std::string& pinDir);
// The same for links by their descriptors.
std::vector<std::string> retire(const std::string& pinDir, const std::vector<int>& links);

// Lets those go that nobody will call any more, and the folder with the last one. Returns how many stay.
size_t dropRetired(const std::string& pinDir);
// The same, for at most so long.
size_t awaitRetired(const std::string& pinDir, uint64_t ms);

}  // namespace tlshub

// The pins of an agent on bpffs (0700): PIN_DIR/maps/NAME, PIN_DIR/links/NAME, PIN_DIR/sweep. They outlive the agent: if it is killed, the
// gate stays shut.
//
// Agents and guardians have a shared lock on the folder for as long as they live, whoever takes the pins away has it alone: so a gate is
// never taken from under somebody who works on it, and no guardian takes another agent's pins for those of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fd.h"

struct tlshub_leases;

namespace tlshub {

// Names in a folder, none if there is no such folder.
std::vector<std::string> listFolder(const std::string& path);

// Can the maps pinned in this folder be ours? The layout's version stands in the settings.
bool sameLayout(const std::string& maps);

// The lock of an agent, kept until the descriptor is closed. Throws SysError; CodedError TLSHUB_GATE: somebody is taking the pins away.
Fd sharePins(const std::string& pinDir);

// The lock of who takes the pins away. Empty: an agent or a guardian has it. Throws SysError.
Fd lockPins(const std::string& pinDir);

// Throws CodedError TLSHUB_RELEASE_LAYOUT if the pins are of another layout than this build's, so that nothing can be told from them.
void checkPins(const std::string& pinDir);

// A descriptor of a pinned map or link, by its path below the folder. Throws SysError.
Fd openPin(const std::string& pinDir, const std::string& name);

// Throws SysError.
tlshub_leases readLeases(int leasesFd);

// Takes links and pins away, without a gate of one's own. Returns how many there were.
int releasePins(const std::string& pinDir);

}  // namespace tlshub

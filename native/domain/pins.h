/* SPDX-License-Identifier: Apache-2.0 */
// The pins of an agent on bpffs (0700): PIN_DIR/maps/NAME, PIN_DIR/links/NAME, PIN_DIR/sweep. They outlive the agent: if it is killed, the
// gate stays shut.
//
// Agents and guardians have a shared lock on the folder for as long as they live, whoever takes the pins away has it alone: so a gate is
// never taken from under somebody who works on it, and no guardian takes another agent's pins for those of its own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fd.h"

struct tlshub_leases;

namespace tlshub {

// With all folders above it, 0700. Throws SysError.
void makeFolder(const std::string& path);

// Names in a folder, none if there is no such folder.
std::vector<std::string> listFolder(const std::string& path);

// Can the maps pinned in this folder be ours? The layout's version stands in the settings.
bool sameLayout(const std::string& maps);

// The lock of an agent, kept until the descriptor is closed. Throws SysError; CodedError TLSHUB_GATE: somebody is taking the pins away.
Fd sharePins(const std::string& pinDir);

// What keeps a second agent away from the pins of a live one: it is alone on the folder PIN_DIR/links, which guardians do not lock, and shares
// the lock on PIN_DIR, so that nobody takes that away. Kept until it is destroyed.
struct AgentLock {
  Fd shared;
  Fd alone;  // empty: another agent has it
};

// Makes the folders if need be. Throws SysError; CodedError TLSHUB_GATE: somebody is taking the pins away.
AgentLock lockAgent(const std::string& pinDir);

// Removes those of the folders in which nothing is pinned.
void removeEmptyFolders(const std::string& pinDir);

// The lock of who takes the pins away. Empty: an agent or a guardian has it. Throws SysError.
Fd lockPins(const std::string& pinDir);

// Throws CodedError TLSHUB_RELEASE_LAYOUT if the pins are of another layout than this build's, so that nothing can be told from them.
void checkPins(const std::string& pinDir);

// A descriptor of a pinned map or link, by its path below the folder. Throws SysError.
Fd openPin(const std::string& pinDir, const std::string& name);

// Throws SysError.
tlshub_leases readLeases(int leasesFd);

// Pins that take the places of earlier ones, all of them or none. One in whose place nothing is pinned yet is there at once; any other waits
// under a name of its own, in PIN_DIR/links, until swap() exchanges the two (rename(2), RENAME_EXCHANGE: bpffs has it from 5.16 on). So there is
// no moment without a pin, whoever is killed when. What is destroyed without keep() is as it was before.
class StagedPins {
 public:
  explicit StagedPins(std::string pinDir) : pinDir_(std::move(pinDir)) {}
  StagedPins(const StagedPins&) = delete;
  StagedPins& operator=(const StagedPins&) = delete;
  ~StagedPins();

  // `path`: below the folder, such as links/socket_sendmsg. Throws SysError.
  void add(int fd, const std::string& path);
  // Throws SysError; then no pin has changed.
  void swap();
  // For good: what was replaced goes.
  void keep();

 private:
  struct Pin {
    std::string path;
    std::string waiting;  // its other name; empty: nothing was in its place
  };
  std::string pinDir_;
  std::vector<Pin> pins_;
  size_t swapped_ = 0;
};

// Takes pins away, and with those of links what is attached by nothing else. Returns how many there were. Programs are to be retired before.
int removePins(const std::string& pinDir);

// Takes links and pins away, without a gate of one's own. Returns how many there were.
int releasePins(const std::string& pinDir);

}  // namespace tlshub

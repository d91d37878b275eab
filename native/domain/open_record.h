/* SPDX-License-Identifier: Apache-2.0 */
// Records that programs leave open (MSG_MORE) are closed for them after as long as TCP would wait: bpf/open_record.bpf.h says why.
#pragma once

#include <cstdint>
#include <vector>

#include "flow_ops.h"

namespace tlshub {

// Closes the record that is open, if there is one. TCP gets it when it has room.
void closeOpenRecord(int fd);

// Looks at a socket of which it is noted that a record may be open, and closes it. Where nobody has sent with MSG_MORE for as long, the note goes.
// False: none was open, or somebody is just sending; then the note is still there. Throws as duplicate() does, and SysError.
bool pushOpenRecord(const FlowMaps& maps, const SocketOwner& owner);

struct DueRecord {
  uint64_t cookie;
  tlshub_open_record note;
};
struct DueRecords {
  std::vector<DueRecord> due;
  uint64_t nextNs = 0;  // since when the oldest of the others has been open, 0: there are none
};

// The notes of records that have been open since `sinceNs` or longer: at most so many of one process, and the rest another time. Throws SysError.
DueRecords dueRecords(int openRecordsFd, uint64_t sinceNs, uint32_t mostOfOne);

}  // namespace tlshub

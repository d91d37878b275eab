/* SPDX-License-Identifier: Apache-2.0 */
/* What trial.bpf.c and trial.c share. */
#ifndef TRIAL_H
#define TRIAL_H
#include <linux/types.h>

#define NOTES 8192
enum { RULE_FIRST_DATA = 0, RULE_UNTIL_ACKNOWLEDGED = 1 };
enum { NOTE_SYN = 1, NOTE_ANSWER, NOTE_NO_ROOM, NOTE_ACTIVE, NOTE_PASSIVE, NOTE_WIRE };

struct setting {
	__u32 on, wire, rule, epoch, strip;
	__u32 learns; /* the passive side names an epoch only if the last third segment that it saw had a marker */
	__u32 proven; /* it had */
	__u32 lose[4]; /* so many of: SYNs, SYN-ACKs, what else the client sends, what else the server sends */
};
struct note {
	__u64 ns;
	__u32 kind, what, epoch, number;
	__s32 result, old;
	__u32 arg, bytes, iss, irs, retrans;
	__u32 back, flags, options, marker, gso, length, lost;
	__u16 client_port, pad;
};
#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The marker, version 2: how two agents agree on keys by name in the TCP handshake (docs/CHANNEL.md). Three forms, each told by its length:
 *
 *   SYN                       254 13 "TL" 0x25 check_src[4] check_dst[4]
 *   SYN-ACK                   254 8 "TL" 0x25|0x26 epoch[3]
 *   segments of the active    254 10 "TL" 0x25|0x26 epoch[3] number[2]
 *   side behind it
 *
 * The fifth byte is the version, 2, and what is said. A SYN-ACK's has no byte to spare: with timestamps, SACK, window scale and accurate ECN
 * (RFC 9768; Linux from 7.x) it is the last of the 40 that there are for options.
 *
 * Numbers are in network order. Written and read byte by byte: in a segment they lie at any address. All that says anything else than 5 or 6 is
 * a marker of version 1 (marker.h), which every agent reads.
 */
#ifndef TLSHUB_CHANNEL_H
#define TLSHUB_CHANNEL_H

#include "marker.h"

enum tlshub_channel_limit {
	CHANNEL_MARKER_VERSION = 2,
	CHANNEL_SYN_BYTES = 13,
	CHANNEL_SYN_ACK_BYTES = 8,
	CHANNEL_ACK_BYTES = 10,
	CHANNEL_EPOCH_IDS = 16777216, /* 24 bits */
	CHANNEL_EPOCH_FLOWS = 65536,  /* numbers of an epoch: each is given to one flow */
	CHANNEL_NUMBERS_BYTES = 8192, /* a bit each */
	CHANNEL_SECRET_BYTES = 32,
};

/* What a marker of version 2 says, beside enum tlshub_intent: numbers on the wire are never given twice. At most 15. */
enum tlshub_channel_what {
	CHANNEL_DIRECT = 5,	/* both ends see the same addresses, ports and ISN of the client */
	CHANNEL_TRANSLATED = 6, /* the same of the client; the server's address or port was translated */
};

struct channel_marker {
	__u8 what; /* 0: the option is no marker of version 2, or of a form that this version does not know */
	__u32 check_src, check_dst; /* of a SYN */
	__u32 epoch;		    /* of all others */
	__u16 number;		    /* of segments behind the SYN-ACK */
};

static inline __attribute__((always_inline)) void channel_put(__u8 *to, __u32 value)
{
	to[0] = value >> 24;
	to[1] = value >> 16;
	to[2] = value >> 8;
	to[3] = value;
}

static inline __attribute__((always_inline)) __u32 channel_get(const __u8 *from)
{
	return (__u32)from[0] << 24 | (__u32)from[1] << 16 | (__u32)from[2] << 8 | from[3];
}

/* Writes the form that has `len` bytes; `to` has room for CHANNEL_SYN_BYTES. */
static inline __attribute__((always_inline)) void channel_encode(__u8 *to, const struct channel_marker *m,
								 __u8 len)
{
	to[0] = MARKER_KIND;
	to[1] = len;
	to[2] = MARKER_EXID_HIGH;
	to[3] = MARKER_EXID_LOW;
	to[4] = CHANNEL_MARKER_VERSION << 4 | m->what;
	if (len == CHANNEL_SYN_BYTES) {
		channel_put(to + 5, m->check_src);
		channel_put(to + 9, m->check_dst);
		return;
	}
	to[5] = m->epoch >> 16;
	to[6] = m->epoch >> 8;
	to[7] = m->epoch;
	if (len == CHANNEL_ACK_BYTES) {
		to[8] = m->number >> 8;
		to[9] = m->number & 0xff;
	}
}

/* Reads the option, which is to have the form of `len` bytes; `from` holds CHANNEL_SYN_BYTES, whatever of them is the option's. */
static inline __attribute__((always_inline)) void channel_decode(struct channel_marker *m, const __u8 *from,
								 __u8 len)
{
	__u8 what = from[4] & 0xf;

	m->what = 0;
	m->check_src = m->check_dst = m->epoch = 0;
	m->number = 0;
	if (from[0] != MARKER_KIND || from[1] != len || from[2] != MARKER_EXID_HIGH ||
	    from[3] != MARKER_EXID_LOW || from[4] >> 4 != CHANNEL_MARKER_VERSION)
		return;
	if (what != CHANNEL_DIRECT && (what != CHANNEL_TRANSLATED || len == CHANNEL_SYN_BYTES))
		return;
	if (len == CHANNEL_SYN_BYTES) {
		m->check_src = channel_get(from + 5);
		m->check_dst = channel_get(from + 9);
	} else {
		m->epoch = (__u32)from[5] << 16 | (__u32)from[6] << 8 | from[7];
		if (len == CHANNEL_ACK_BYTES)
			m->number = (__u16)(from[8] << 8 | from[9]);
	}
	m->what = what;
}

/*
 * A hash of an end as one kernel sees it. It tells translated addresses from others, and keeps no secret: who changes what it covers changes
 * the keys with it. The address as four numbers (so the same on machines of either byte order); `isn` is 0 for the server.
 */
static inline __attribute__((always_inline)) __u32 channel_check(const __u32 address[4], __u16 port,
								 __u32 isn)
{
	__u32 h = 0x54c2, words[6] = {address[0], address[1], address[2], address[3], port, isn};

	for (int i = 0; i < 6; i++) {
		h = ((h << 5 | h >> 27) ^ words[i]) * 0x9e3779b1;
		h ^= h >> 15;
	}
	h *= 0x2c1b3c6d;
	return h ^ h >> 12;
}

#endif

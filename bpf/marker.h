/* SPDX-License-Identifier: GPL-2.0 */
/* The marker on the wire: a TCP option. */
#ifndef TLSHUB_MARKER_H
#define TLSHUB_MARKER_H

#include <linux/types.h>

/* RFC 6994: an experimental kind with an identifier of 16 bits. */
#define MARKER_KIND 254
#define MARKER_EXID_HIGH 0x54
#define MARKER_EXID_LOW 0x4c
#define MARKER_VERSION 1
#define MARKER_LEN 6

struct marker {
	__u8 kind;
	__u8 len;
	__u8 exid[2];
	__u8 version;
	__u8 intent;
};

#endif

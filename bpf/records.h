/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* How user space finds its way through records: the one place where it is decided what is a record and where the next one begins. */
#ifndef TLSHUB_RECORDS_H
#define TLSHUB_RECORDS_H

#include <stddef.h>
#include <string.h>
#include "tlshub.h"

/* How long a record of this type is; 0: a type that this build does not know. */
static inline size_t tlshub_record_bytes(__u16 type)
{
	switch (type) {
	case RECORD_EVENT:
		return sizeof(struct tlshub_event);
	case RECORD_LAST_EVENT:
		return sizeof(struct tlshub_secured);
	case RECORD_SOCKET:
		return sizeof(struct tlshub_sweep);
	case RECORD_SECURED_SOCKET:
		return sizeof(struct tlshub_secured_sweep);
	default:
		return 0;
	}
}

/* Bytes that hold records one behind the other, as far as they have not been walked yet. */
struct tlshub_walk {
	const void *at;
	size_t left;
};

/*
 * The next record that this build knows, and its head: `bytes` of it are there, and they are as many as the struct of its type has. Others
 * are skipped by their length. NULL at the end; then walk->left is 0, or what is left is no whole record: the bytes end within it, or its
 * length is shorter than a head, and nobody can tell where the next one begins. Records need not be aligned: copy what is to be read.
 */
static inline const void *tlshub_next_record(struct tlshub_walk *walk, struct tlshub_head *head)
{
	while (walk->left >= sizeof(*head)) {
		const void *record = walk->at;

		memcpy(head, record, sizeof(*head));
		if (head->bytes < sizeof(*head) || head->bytes > walk->left)
			break;
		walk->at = (const char *)record + head->bytes;
		walk->left -= head->bytes;
		if (head->bytes == tlshub_record_bytes(head->type))
			return record;
	}
	return NULL;
}

#endif

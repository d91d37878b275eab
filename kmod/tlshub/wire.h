/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nodes send each other over UDP. Numbers are little-endian, as Noise's nonces are;
 * docs/TLSHUB_MODULE.md has it for people.
 */
#ifndef TLSHUB_WIRE_H
#define TLSHUB_WIRE_H

#include <linux/build_bug.h>
#include <linux/types.h>

#include <crypto/chacha20poly1305.h>
#include <crypto/curve25519.h>

#include "uapi/tlshub.h"

#define TLSHUB_WIRE_VERSION 1
#define TLSHUB_PROLOGUE "tlshub channel v1"

enum tlshub_message {
	TLSHUB_FIRST = 1,
	TLSHUB_SECOND = 2,
	TLSHUB_COOKIE = 3,
	TLSHUB_SESSION = 4,
};

#define TLSHUB_TAG_LEN CHACHA20POLY1305_AUTHTAG_SIZE
#define TLSHUB_MAC_LEN 16
#define TLSHUB_TIME_LEN 8
/* What a node is in this life of its module: another one has none of the sessions of the one before. */
#define TLSHUB_INSTANCE_LEN 4
/* Big-endian time, which goes up with each first message, and instance. */
#define TLSHUB_TIMESTAMP_LEN (TLSHUB_TIME_LEN + TLSHUB_INSTANCE_LEN)

struct tlshub_head {
	u8 type;
	u8 version;
	__le16 zero;
} __packed;

/*
 * Prove that the sender knows who it talks to (mac1), and where it is (mac2, under load).
 * Everything before each is under it.
 */
struct tlshub_macs {
	u8 mac1[TLSHUB_MAC_LEN];
	u8 mac2[TLSHUB_MAC_LEN];
} __packed;

struct tlshub_first {
	struct tlshub_head head;
	__le32 sender;
	u8 ephemeral[CURVE25519_KEY_SIZE];
	u8 statik[CURVE25519_KEY_SIZE + TLSHUB_TAG_LEN];
	u8 timestamp[TLSHUB_TIMESTAMP_LEN + TLSHUB_TAG_LEN];
	struct tlshub_macs macs;
} __packed;

struct tlshub_second {
	struct tlshub_head head;
	__le32 sender;
	__le32 receiver;
	u8 ephemeral[CURVE25519_KEY_SIZE];
	u8 instance[TLSHUB_INSTANCE_LEN + TLSHUB_TAG_LEN];
	struct tlshub_macs macs;
} __packed;

struct tlshub_cookie_message {
	struct tlshub_head head;
	__le32 receiver;
	u8 salt[16];
	u8 cookie[TLSHUB_MAC_LEN + TLSHUB_TAG_LEN];
} __packed;

struct tlshub_session_head {
	struct tlshub_head head;
	__le32 receiver;
	__le64 counter;
} __packed;

enum tlshub_item_kind {
	TLSHUB_ITEM_ANNOUNCE = 1,
	TLSHUB_ITEM_ACKNOWLEDGE = 2,
	TLSHUB_ITEM_REFUSE = 3,
	TLSHUB_ITEM_GOODBYE = 4,
};

enum tlshub_refusal {
	TLSHUB_REFUSED_AGAIN =
		1, /* the number is too old to tell whether it was taken: take another one */
	TLSHUB_REFUSED_NETWORK = 2,
	TLSHUB_REFUSED_ROOM = 3,
};

struct tlshub_item {
	u8 kind;
	u8 why;
	__le16 zero;
	__le32 lifetime_ms;
	__le64 number;
	struct tlshub_tuple tuple; /* `ident` little-endian */
	__le32 zero2;
} __packed;

/*
 * With the headers of UDP and IPv6 no more than every link has to carry (RFC 8200, 5): 1280 bytes.
 * /
 */
#define TLSHUB_ITEMS_MAX 20
#define TLSHUB_DATAGRAM_MAX                                                                        \
	(sizeof(struct tlshub_session_head) + TLSHUB_ITEMS_MAX * sizeof(struct tlshub_item) +      \
	 TLSHUB_TAG_LEN)

static_assert(sizeof(struct tlshub_first) == 148);
static_assert(sizeof(struct tlshub_second) == 96);
static_assert(sizeof(struct tlshub_cookie_message) == 56);
static_assert(sizeof(struct tlshub_session_head) == 16);
static_assert(sizeof(struct tlshub_item) == 60);
static_assert(TLSHUB_DATAGRAM_MAX + 48 <= 1280);

#endif /* TLSHUB_WIRE_H */

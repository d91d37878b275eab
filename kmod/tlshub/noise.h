/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TLSHUB_NOISE_H
#define TLSHUB_NOISE_H

#include "crypto.h"
#include "wire.h"

/* Of a node: a static key. */
struct tlshub_identity {
	u8 private[CURVE25519_KEY_SIZE];
	u8 public[CURVE25519_KEY_SIZE];
};

/*
 * A handshake under way: Noise's symmetric state, and what its later steps need. The nonce is
 * always 0: each key encrypts once.
 */
struct tlshub_noise {
	u8 chaining[TLSHUB_HASH_LEN];
	u8 hash[TLSHUB_HASH_LEN];
	u8 key[TLSHUB_HASH_LEN];
	u8 ephemeral[CURVE25519_KEY_SIZE]; /* our own, private */
	u8 remote_ephemeral[CURVE25519_KEY_SIZE];
};

/* What a handshake gives. */
struct tlshub_keys {
	u8 send[CHACHA20POLY1305_KEY_SIZE];
	u8 receive[CHACHA20POLY1305_KEY_SIZE];
	u8 send_flow[TLSHUB_HASH_LEN];	  /* for connections whose client is here */
	u8 receive_flow[TLSHUB_HASH_LEN]; /* for connections whose client is there */
};

/*
 * Each takes one step of Noise_IKpsk2 and fills in or reads its part of the message; indices and
 * macs are somebody else's. They do public-key arithmetic: in process context, without locks.
 * False: the message is forged, damaged or for somebody else; @noise is of no use then.
 */
bool tlshub_noise_write_first(struct tlshub_noise *noise, const struct tlshub_identity *own,
			      const u8 remote[CURVE25519_KEY_SIZE],
			      const u8 timestamp[TLSHUB_TIMESTAMP_LEN],
			      struct tlshub_first *message);
/* In two halves: whose it is, then, if we know that one, whether it is really from there. */
bool tlshub_noise_read_first(struct tlshub_noise *noise, const struct tlshub_identity *own,
			     const struct tlshub_first *message, u8 remote[CURVE25519_KEY_SIZE]);
bool tlshub_noise_read_timestamp(struct tlshub_noise *noise, const struct tlshub_identity *own,
				 const struct tlshub_first *message,
				 const u8 remote[CURVE25519_KEY_SIZE],
				 u8 timestamp[TLSHUB_TIMESTAMP_LEN]);
bool tlshub_noise_write_second(struct tlshub_noise *noise, const u8 remote[CURVE25519_KEY_SIZE],
			       const u8 preshared[TLSHUB_KEY_LEN],
			       const u8 instance[TLSHUB_INSTANCE_LEN],
			       struct tlshub_second *message);
bool tlshub_noise_read_second(struct tlshub_noise *noise, const struct tlshub_identity *own,
			      const u8 preshared[TLSHUB_KEY_LEN],
			      const struct tlshub_second *message,
			      u8 instance[TLSHUB_INSTANCE_LEN]);
/* Wipes @noise. */
void tlshub_noise_split(struct tlshub_noise *noise, bool initiator, struct tlshub_keys *keys);

#endif /* TLSHUB_NOISE_H */

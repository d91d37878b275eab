/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TLSHUB_CRYPTO_H
#define TLSHUB_CRYPTO_H

#include <crypto/algapi.h> /* crypto_memneq() */
#include <linux/types.h>

#include "compat.h"

#define TLSHUB_HASH_LEN BLAKE2S_HASH_SIZE

struct tlshub_hmac {
	struct tlshub_blake2s inner;
	u8 outer_pad[BLAKE2S_BLOCK_SIZE];
};

/* Key of at most a block. */
void tlshub_hmac_init(struct tlshub_hmac *hmac, const void *key, size_t key_len);
void tlshub_hmac_update(struct tlshub_hmac *hmac, const void *data, size_t len);
/* Wipes @hmac. */
void tlshub_hmac_final(struct tlshub_hmac *hmac, u8 out[TLSHUB_HASH_LEN]);

/* HASH(a || b) */
void tlshub_hash(u8 out[TLSHUB_HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len);

/*
 * Noise's HKDF (revision 34, 4.3) with HMAC-BLAKE2s; @out2 and @out3 may be NULL. @out1 may be
 * @chaining.
 */
void tlshub_hkdf(u8 out1[TLSHUB_HASH_LEN], u8 out2[TLSHUB_HASH_LEN], u8 out3[TLSHUB_HASH_LEN],
		 const u8 chaining[TLSHUB_HASH_LEN], const void *input, size_t len);

#endif /* TLSHUB_CRYPTO_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two ends, and what must not work. That this is Noise, and not only two halves that agree, is
 * shown by a peer that was written apart from it (test/vm/module/foreign.test.ts).
 */
#include "selftest.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "noise.h"

struct scene {
	struct tlshub_identity client, server, stranger;
	u8 preshared[TLSHUB_KEY_LEN], timestamp[TLSHUB_TIMESTAMP_LEN];
	struct tlshub_noise one, other;
	struct tlshub_first first;
	struct tlshub_second second;
	struct tlshub_keys ours, theirs;
	u8 instance[TLSHUB_INSTANCE_LEN], got[TLSHUB_INSTANCE_LEN];
};

static bool make_identity(struct tlshub_identity *identity)
{
	curve25519_generate_secret(identity->private);
	return curve25519_generate_public(identity->public, identity->private);
}

/* Whether the server takes the first message as it is in the scene. */
static bool read_first(struct scene *scene)
{
	u8 remote[CURVE25519_KEY_SIZE], timestamp[TLSHUB_TIMESTAMP_LEN];

	return tlshub_noise_read_first(&scene->other, &scene->server, &scene->first, remote) &&
	       !memcmp(remote, scene->client.public, sizeof(remote)) &&
	       tlshub_noise_read_timestamp(&scene->other, &scene->server, &scene->first, remote,
					   timestamp) &&
	       !memcmp(timestamp, scene->timestamp, sizeof(timestamp));
}

static bool handshake(struct scene *scene)
{
	if (!tlshub_noise_write_first(&scene->one, &scene->client, scene->server.public,
				      scene->timestamp, &scene->first) ||
	    !read_first(scene) ||
	    !tlshub_noise_write_second(&scene->other, scene->client.public, scene->preshared,
				       scene->instance, &scene->second) ||
	    !tlshub_noise_read_second(&scene->one, &scene->client, scene->preshared, &scene->second,
				      scene->got))
		return false;
	tlshub_noise_split(&scene->one, true, &scene->ours);
	tlshub_noise_split(&scene->other, false, &scene->theirs);
	return !memchr_inv(&scene->one, 0, sizeof(scene->one)) &&
	       !memcmp(scene->instance, scene->got, sizeof(scene->got)) &&
	       !memcmp(scene->ours.send, scene->theirs.receive, 32) &&
	       !memcmp(scene->ours.receive, scene->theirs.send, 32) &&
	       !memcmp(scene->ours.send_flow, scene->theirs.receive_flow, 32) &&
	       !memcmp(scene->ours.receive_flow, scene->theirs.send_flow, 32) &&
	       memcmp(scene->ours.send, scene->ours.receive, 32) &&
	       memcmp(scene->ours.send_flow, scene->ours.receive_flow, 32) &&
	       memcmp(scene->ours.send, scene->ours.send_flow, 32);
}

/* Each bit counts, of what is under a tag. */
static bool forgeries(struct scene *scene)
{
	u8 *bytes = (u8 *)&scene->first;
	size_t at;

	if (!tlshub_noise_write_first(&scene->one, &scene->client, scene->server.public,
				      scene->timestamp, &scene->first))
		return false;
	for (at = offsetof(struct tlshub_first, ephemeral);
	     at < offsetof(struct tlshub_first, macs); at += 7) {
		bytes[at] ^= 1;
		if (read_first(scene))
			return false;
		bytes[at] ^= 1;
	}
	return read_first(scene);
}

static bool strangers(struct scene *scene)
{
	static const u8 none[CURVE25519_KEY_SIZE];
	u8 remote[CURVE25519_KEY_SIZE], preshared[TLSHUB_KEY_LEN];
	struct tlshub_noise noise;

	/* To another one's key. */
	if (!tlshub_noise_write_first(&scene->one, &scene->client, scene->stranger.public,
				      scene->timestamp, &scene->first) ||
	    tlshub_noise_read_first(&scene->other, &scene->server, &scene->first, remote))
		return false;
	/* To a point of small order, which would make a secret of nothing. */
	if (tlshub_noise_write_first(&scene->one, &scene->client, none, scene->timestamp,
				     &scene->first))
		return false;
	/* Answered by another one, and under another pre-shared key. */
	if (!tlshub_noise_write_first(&scene->one, &scene->client, scene->server.public,
				      scene->timestamp, &scene->first) ||
	    !read_first(scene))
		return false;
	noise = scene->one;
	memcpy(preshared, scene->preshared, sizeof(preshared));
	preshared[0] ^= 1;
	return tlshub_noise_write_second(&scene->other, scene->client.public, preshared,
					 scene->instance, &scene->second) &&
	       !tlshub_noise_read_second(&noise, &scene->client, scene->preshared, &scene->second,
					 scene->got) &&
	       !tlshub_noise_read_second(&scene->one, &scene->stranger, preshared, &scene->second,
					 scene->got);
}

bool tlshub_selftest_noise(void)
{
	struct scene *scene = kzalloc(sizeof(*scene), GFP_KERNEL);
	u8 before[TLSHUB_HASH_LEN];
	bool good;

	if (!scene)
		return false;
	get_random_bytes(scene->preshared, sizeof(scene->preshared));
	get_random_bytes(scene->instance, sizeof(scene->instance));
	get_random_bytes(scene->timestamp, sizeof(scene->timestamp));
	good = make_identity(&scene->client) && make_identity(&scene->server) &&
	       make_identity(&scene->stranger) && handshake(scene);
	memcpy(before, scene->ours.send, sizeof(before));
	/* The same nodes once more have other keys. */
	good = good && handshake(scene) && memcmp(before, scene->ours.send, sizeof(before)) &&
	       forgeries(scene) && strangers(scene);
	kfree_sensitive(scene);
	return good;
}

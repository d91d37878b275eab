// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions and handshakes by random numbers, which we give and the peer repeats: who is not on the
 * way cannot guess one.
 */
#include "hub.h"

#include <linux/random.h>

static const struct rhashtable_params parameters = {
	.key_len = sizeof(u32),
	.key_offset = offsetof(struct tlshub_index, number),
	.head_offset = offsetof(struct tlshub_index, node),
	.automatic_shrinking = true,
};

int tlshub_index_add(struct tlshub_hub *hub, struct tlshub_index *index)
{
	int error, tries;

	if (index->number)
		return rhashtable_lookup_insert_fast(&hub->indices, &index->node, parameters);

	/* 0 is for none. A number that is taken is one in thousands of millions. */
	for (tries = 0; tries < 8; tries++) {
		index->number = get_random_u32();
		if (index->number == 0)
			continue;
		error = rhashtable_lookup_insert_fast(&hub->indices, &index->node, parameters);
		if (error != -EEXIST)
			return error;
	}
	return -EEXIST;
}

void tlshub_index_remove(struct tlshub_hub *hub, struct tlshub_index *index)
{
	rhashtable_remove_fast(&hub->indices, &index->node, parameters);
}

struct tlshub_index *tlshub_index_find(struct tlshub_hub *hub, u32 number)
{
	return rhashtable_lookup_fast(&hub->indices, &number, parameters);
}

int tlshub_indices_init(struct tlshub_hub *hub)
{
	return rhashtable_init(&hub->indices, &parameters);
}

void tlshub_indices_exit(struct tlshub_hub *hub)
{
	rhashtable_destroy(&hub->indices);
}

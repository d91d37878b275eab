// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other nodes: by name, which is what people and agents call them, and by public key, which is what
 * they are.
 */
#include "hub.h"

#include <linux/slab.h>
#include <net/ipv6.h>

/* What a replaced session may still receive: keys that were announced over it just before. */
#define REPLACED_NS (10 * TLSHUB_SECOND_NS)

static u32 name_hash(const void *data, u32 len, u32 seed)
{
	return jhash(data, strlen(data), seed);
}

static u32 name_object_hash(const void *data, u32 len, u32 seed)
{
	const struct tlshub_peer *peer = data;

	return name_hash(peer->name, len, seed);
}

static int name_compare(struct rhashtable_compare_arg *argument, const void *object)
{
	const struct tlshub_peer *peer = object;

	return strcmp(argument->key, peer->name);
}

static const struct rhashtable_params by_name = {
	.head_offset = offsetof(struct tlshub_peer, name_node),
	.hashfn = name_hash,
	.obj_hashfn = name_object_hash,
	.obj_cmpfn = name_compare,
	.automatic_shrinking = true,
};

static const struct rhashtable_params by_key = {
	.key_len = CURVE25519_KEY_SIZE,
	.key_offset = offsetof(struct tlshub_peer, public_key),
	.head_offset = offsetof(struct tlshub_peer, key_node),
	.automatic_shrinking = true,
};

int tlshub_peers_init(struct tlshub_hub *hub)
{
	int error;

	INIT_LIST_HEAD(&hub->peers);
	error = rhashtable_init(&hub->peers_by_name, &by_name);
	if (error)
		return error;
	error = rhashtable_init(&hub->peers_by_key, &by_key);
	if (error)
		rhashtable_destroy(&hub->peers_by_name);
	return error;
}

void tlshub_peers_exit(struct tlshub_hub *hub)
{
	rhashtable_destroy(&hub->peers_by_key);
	rhashtable_destroy(&hub->peers_by_name);
}

static void release(struct kref *refs)
{
	kfree_sensitive(container_of(refs, struct tlshub_peer, refs));
}

void tlshub_peer_get(struct tlshub_peer *peer)
{
	kref_get(&peer->refs);
}

void tlshub_peer_put(struct tlshub_peer *peer)
{
	kref_put(&peer->refs, release);
}

struct tlshub_peer *tlshub_peer_by_name(struct tlshub_hub *hub, const char *name)
{
	return rhashtable_lookup_fast(&hub->peers_by_name, name, by_name);
}

struct tlshub_peer *tlshub_peer_by_key(struct tlshub_hub *hub,
				       const u8 public_key[CURVE25519_KEY_SIZE])
{
	return rhashtable_lookup_fast(&hub->peers_by_key, public_key, by_key);
}

struct tlshub_peer *tlshub_peer_add(struct tlshub_hub *hub, const char *name,
				    const u8 public_key[CURVE25519_KEY_SIZE], int *error)
{
	struct tlshub_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);

	if (!peer) {
		*error = -ENOMEM;
		return NULL;
	}
	kref_init(&peer->refs);
	peer->hub = hub;
	strscpy(peer->name, name, sizeof(peer->name));
	memcpy(peer->public_key, public_key, sizeof(peer->public_key));
	INIT_LIST_HEAD(&peer->networks);
	INIT_LIST_HEAD(&peer->begin);
	INIT_LIST_HEAD(&peer->flows);
	tlshub_timer_init(&peer->timer, tlshub_handshake_timer);
	*error = rhashtable_lookup_insert_fast(&hub->peers_by_key, &peer->key_node, by_key);
	if (*error)
		goto fail;
	*error = rhashtable_lookup_insert_key(&hub->peers_by_name, peer->name, &peer->name_node,
					      by_name);
	if (*error) {
		rhashtable_remove_fast(&hub->peers_by_key, &peer->key_node, by_key);
		goto fail;
	}
	list_add_tail(&peer->list, &hub->peers);
	hub->peer_count++;
	hub->peers_serial++;
	return peer;
fail:
	kfree(peer);
	return NULL;
}

int tlshub_peer_set_key(struct tlshub_peer *peer, const u8 public_key[CURVE25519_KEY_SIZE])
{
	struct tlshub_hub *hub = peer->hub;

	if (!memcmp(peer->public_key, public_key, sizeof(peer->public_key)))
		return 0;
	if (tlshub_peer_by_key(hub, public_key))
		return -EEXIST;
	tlshub_peer_forget_sessions(peer);
	rhashtable_remove_fast(&hub->peers_by_key, &peer->key_node, by_key);
	memcpy(peer->public_key, public_key, sizeof(peer->public_key));
	memset(peer->last_time, 0, sizeof(peer->last_time));
	memset(&peer->cookie, 0, sizeof(peer->cookie));
	peer->known = false;
	return rhashtable_insert_fast(&hub->peers_by_key, &peer->key_node, by_key);
}

void tlshub_peer_set_preshared(struct tlshub_peer *peer, const u8 preshared_key[TLSHUB_KEY_LEN])
{
	if (!crypto_memneq(peer->preshared_key, preshared_key, sizeof(peer->preshared_key)))
		return;
	memcpy(peer->preshared_key, preshared_key, sizeof(peer->preshared_key));
	tlshub_peer_goodbye(peer);
	tlshub_peer_forget_sessions(peer);
}

void tlshub_peer_forget_sessions(struct tlshub_peer *peer)
{
	struct tlshub_hub *hub = peer->hub;

	tlshub_handshake_stop(peer);
	tlshub_session_free(hub, peer->next);
	tlshub_session_free(hub, peer->previous);
	tlshub_session_free(hub, peer->current_session);
}

void tlshub_peer_goodbye(struct tlshub_peer *peer)
{
	const struct tlshub_item item = {.kind = TLSHUB_ITEM_GOODBYE};

	if (!peer->current_session)
		return;
	tlshub_session_send(peer->hub, peer->current_session, &item);
	tlshub_session_flush(peer->hub);
}

void tlshub_peer_remove(struct tlshub_peer *peer)
{
	struct tlshub_hub *hub = peer->hub;

	tlshub_peer_goodbye(peer);
	tlshub_flow_peer_removed(peer);
	tlshub_peer_forget_sessions(peer);
	tlshub_networks_clear(&hub->networks, &peer->networks);
	rhashtable_remove_fast(&hub->peers_by_name, &peer->name_node, by_name);
	rhashtable_remove_fast(&hub->peers_by_key, &peer->key_node, by_key);
	list_del(&peer->list);
	hub->peer_count--;
	hub->peers_serial++;
	peer->removed = true;
	tlshub_peer_put(peer);
}

struct tlshub_session *tlshub_peer_session(struct tlshub_peer *peer)
{
	struct tlshub_session *session = peer->current_session;

	return session && tlshub_session_open(session) ? session : NULL;
}

void tlshub_peer_use_session(struct tlshub_peer *peer, struct tlshub_session *session)
{
	struct tlshub_hub *hub = peer->hub;

	if (peer->next == session)
		peer->next = NULL;
	tlshub_session_free(hub, peer->previous);
	/* A module that was loaded anew has none of the older ones. */
	if (peer->current_session &&
	    memcmp(peer->current_session->instance, session->instance, sizeof(session->instance)))
		tlshub_session_free(hub, peer->current_session);
	peer->previous = peer->current_session;
	if (peer->previous)
		tlshub_timer_set(hub, &peer->previous->timer, tlshub_now() + REPLACED_NS);
	peer->current_session = session;
	peer->handshakes++;
	tlshub_count(hub, TLSHUB_A_COUNTER_HANDSHAKES);
	tlshub_event(hub, TLSHUB_EVENT_SESSION, peer, &peer->endpoint, NULL);
	tlshub_flow_session(peer);
	if (session->initiator)
		tlshub_session_confirm(hub, session);
}

void tlshub_peer_moved(struct tlshub_peer *peer, const struct tlshub_endpoint *from)
{
	if (peer->has_endpoint && ipv6_addr_equal(&peer->endpoint.address, &from->address) &&
	    peer->endpoint.port == from->port && peer->endpoint.scope == from->scope)
		return;
	if (peer->has_endpoint)
		tlshub_event(peer->hub, TLSHUB_EVENT_ROAMED, peer, from, NULL);
	peer->endpoint = *from;
	peer->has_endpoint = true;
}

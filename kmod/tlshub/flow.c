// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys of connections.
 *
 *	client's side:  START -> STARTING (announced until acknowledged) -> READY -> fetched: gone
 *	server's side:  announced -> READY -> fetched: gone
 *	both sides:     READY -> EXPIRED, without its key -> gone
 *
 * A tuple has at most one key on each side: a later one wipes the earlier. A key is given out once,
 * and gone with that. Requests that wait for a key hang on the tuple, which is EXPECTED as long as
 * there is nothing else.
 *
 * An announcement is repeated over the session that it was made over, as long as that one is there:
 * the peer may have given the key to somebody already, and only the acknowledgement was lost. Another
 * key is made when the session is gone: at its end, by the peer's goodbye, or when the next handshake
 * says that the peer's module was loaded anew.
 */
#include "hub.h"

#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#define RETRY_NS (100 * TLSHUB_MS)
#define LONGEST_RETRY_NS (800 * TLSHUB_MS)
/*
 * Unanswered announcements after which, if nothing at all came from the peer, a handshake shall show
 * whether it knows the session.
 */
#define DOUBT_TRIES 2
/* For how long it is remembered that a key has expired. */
#define EXPIRED_NS (30 * TLSHUB_SECOND_NS)
/* Of one peer. */
#define STARTING_MAX 4096

static const struct rhashtable_params parameters = {
	.key_len = sizeof(struct tlshub_flow_name),
	.key_offset = offsetof(struct tlshub_flow, name),
	.head_offset = offsetof(struct tlshub_flow, node),
	.automatic_shrinking = true,
};

static void timer_run(struct tlshub_hub *hub, struct tlshub_timer *timer);
static void waiter_timer_run(struct tlshub_hub *hub, struct tlshub_timer *timer);

int tlshub_flows_init(struct tlshub_hub *hub)
{
	int i;

	for (i = 0; i < TLSHUB_WAITER_BUCKETS; i++)
		INIT_HLIST_HEAD(&hub->waiters[i]);
	return rhashtable_init(&hub->flows, &parameters);
}

/* ---- the table */

static void name_of(struct tlshub_flow_name *name, const struct tlshub_tuple *tuple, bool server)
{
	memset(name, 0, sizeof(*name));
	memcpy(name->client_address, tuple->client_address, sizeof(name->client_address));
	memcpy(name->server_address, tuple->server_address, sizeof(name->server_address));
	name->client_port = tuple->client_port;
	name->server_port = tuple->server_port;
	name->server = server;
}

static void tuple_of(struct tlshub_tuple *tuple, const struct tlshub_flow *flow)
{
	memcpy(tuple->client_address, flow->name.client_address, sizeof(tuple->client_address));
	memcpy(tuple->server_address, flow->name.server_address, sizeof(tuple->server_address));
	tuple->client_port = flow->name.client_port;
	tuple->server_port = flow->name.server_port;
	tuple->ident = flow->ident;
}

static bool same_ident(u32 one, u32 other)
{
	return one == 0 || other == 0 || one == other;
}

static struct tlshub_flow *find(struct tlshub_hub *hub, const struct tlshub_tuple *tuple,
				bool server)
{
	struct tlshub_flow_name name;

	name_of(&name, tuple, server);
	return rhashtable_lookup_fast(&hub->flows, &name, parameters);
}

/* The tuple's flow, made if there is none; NULL if there is no room. */
static struct tlshub_flow *get(struct tlshub_hub *hub, const struct tlshub_tuple *tuple,
			       bool server)
{
	struct tlshub_flow *flow = find(hub, tuple, server);

	if (flow || hub->flow_count >= tlshub_max_keys)
		return flow;
	flow = kzalloc(sizeof(*flow), GFP_KERNEL_ACCOUNT);
	if (!flow)
		return NULL;
	name_of(&flow->name, tuple, server);
	flow->state = TLSHUB_FLOW_EXPECTED;
	flow->since = tlshub_now();
	INIT_LIST_HEAD(&flow->peer_list);
	INIT_LIST_HEAD(&flow->waiters);
	tlshub_timer_init(&flow->timer, timer_run);
	if (rhashtable_lookup_insert_fast(&hub->flows, &flow->node, parameters)) {
		kfree(flow);
		return NULL;
	}
	hub->flow_count++;
	return flow;
}

/* What counts against the room that peers have for keys they announce. */
static bool is_taken(const struct tlshub_flow *flow)
{
	return flow->name.server && flow->state >= TLSHUB_FLOW_READY;
}

static void set_state(struct tlshub_hub *hub, struct tlshub_flow *flow,
		      enum tlshub_flow_state state, struct tlshub_peer *peer)
{
	if (flow->peer) {
		flow->peer->starting -= flow->state == TLSHUB_FLOW_STARTING;
		flow->peer->taken -= is_taken(flow);
	}
	hub->taken_count -= is_taken(flow);
	if (flow->peer != peer) {
		list_del_init(&flow->peer_list);
		if (peer)
			list_add_tail(&flow->peer_list, &peer->flows);
		flow->peer = peer;
	}
	flow->state = state;
	flow->since = tlshub_now();
	if (flow->peer) {
		flow->peer->starting += flow->state == TLSHUB_FLOW_STARTING;
		flow->peer->taken += is_taken(flow);
	}
	hub->taken_count += is_taken(flow);
	if (state != TLSHUB_FLOW_READY && state != TLSHUB_FLOW_STARTING)
		memzero_explicit(flow->master_key, sizeof(flow->master_key));
}

/* Its key is gone, and it too, unless requests wait for the next one. */
static void forget(struct tlshub_hub *hub, struct tlshub_flow *flow)
{
	tlshub_timer_stop(hub, &flow->timer);
	set_state(hub, flow, TLSHUB_FLOW_EXPECTED, NULL);
	if (flow->waiter_count)
		return;
	rhashtable_remove_fast(&hub->flows, &flow->node, parameters);
	hub->flow_count--;
	kfree_sensitive(flow);
}

/* ---- requests that wait */

static struct hlist_head *waiters_of(struct tlshub_hub *hub, u32 port_id)
{
	return &hub->waiters[hash_32(port_id, ilog2(TLSHUB_WAITER_BUCKETS))];
}

static void drop_waiter(struct tlshub_hub *hub, struct tlshub_waiter *waiter)
{
	tlshub_timer_stop(hub, &waiter->timer);
	list_del(&waiter->list);
	hlist_del(&waiter->by_port);
	waiter->flow->waiter_count--;
	hub->waiter_count--;
	kfree(waiter);
}

static bool add_waiter(struct tlshub_hub *hub, struct tlshub_flow *flow,
		       const struct tlshub_asker *asker, u32 ident, u32 wait_ms)
{
	struct tlshub_waiter *waiter;

	if (hub->waiter_count >= TLSHUB_WAITERS_MAX)
		return false;
	waiter = kzalloc(sizeof(*waiter), GFP_KERNEL_ACCOUNT);
	if (!waiter)
		return false;
	waiter->flow = flow;
	waiter->port_id = asker->port_id;
	waiter->sequence = asker->sequence;
	waiter->kind = asker->kind;
	waiter->wants_key = asker->wants_key;
	waiter->ident = ident;
	tlshub_timer_init(&waiter->timer, waiter_timer_run);
	list_add_tail(&waiter->list, &flow->waiters);
	hlist_add_head(&waiter->by_port, waiters_of(hub, waiter->port_id));
	flow->waiter_count++;
	hub->waiter_count++;
	if (wait_ms)
		tlshub_timer_set(hub, &waiter->timer, tlshub_now() + wait_ms * TLSHUB_MS);
	return true;
}

/* A FETCH that waited in vain. */
static void waiter_timer_run(struct tlshub_hub *hub, struct tlshub_timer *timer)
{
	struct tlshub_waiter *waiter = container_of(timer, struct tlshub_waiter, timer);
	struct tlshub_flow *flow = waiter->flow;

	tlshub_answer(hub, waiter->port_id, waiter->sequence, TLSHUB_REPLY_KEY, TLSHUB_KEY_NONE,
		      NULL, NULL);
	drop_waiter(hub, waiter);
	if (flow->state == TLSHUB_FLOW_EXPECTED && !flow->waiter_count)
		forget(hub, flow);
}

void tlshub_flow_cancel(struct tlshub_hub *hub, u32 port_id, u32 sequence)
{
	struct tlshub_waiter *waiter;
	struct hlist_node *next;

	hlist_for_each_entry_safe(waiter, next, waiters_of(hub, port_id), by_port)
	{
		struct tlshub_flow *flow = waiter->flow;

		if (waiter->port_id != port_id || (sequence && waiter->sequence != sequence))
			continue;
		drop_waiter(hub, waiter);
		if (flow->state == TLSHUB_FLOW_EXPECTED && !flow->waiter_count)
			forget(hub, flow);
	}
}

/* True: the asker has the answer. */
static bool tell_start(struct tlshub_hub *hub, const struct tlshub_asker *asker, u8 type,
		       const u8 *key, const char *text)
{
	if (asker->kind == TLSHUB_WAITS_START4)
		return !tlshub_answer_start4(hub, asker->port_id, asker->sequence, type, text);
	return !tlshub_answer(hub, asker->port_id, asker->sequence, type,
			      key ? TLSHUB_KEY_OK : TLSHUB_KEY_NONE, key, text);
}

static void fetched(struct tlshub_hub *hub, struct tlshub_flow *flow)
{
	tlshub_count(hub, TLSHUB_A_COUNTER_KEYS_FETCHED);
	forget(hub, flow);
}

/* The key is there: all who wait for the START are told, and one who waits for the key has it. */
static void serve(struct tlshub_hub *hub, struct tlshub_flow *flow, u8 type)
{
	struct tlshub_waiter *waiter, *next;
	bool given = false;

	list_for_each_entry_safe (waiter, next, &flow->waiters, list) {
		const struct tlshub_asker asker = {
			.port_id = waiter->port_id,
			.sequence = waiter->sequence,
			.kind = waiter->kind,
		};

		if (!same_ident(waiter->ident, flow->ident))
			continue;
		if (waiter->kind != TLSHUB_WAITS_FETCH) {
			const u8 *key = waiter->wants_key && !given ? flow->master_key : NULL;

			given |= tell_start(hub, &asker, type, key, NULL) && key;
		} else if (!given) {
			given = !tlshub_answer(hub, asker.port_id, asker.sequence, TLSHUB_REPLY_KEY,
					       TLSHUB_KEY_OK, flow->master_key, NULL);
		} else {
			continue;
		}
		drop_waiter(hub, waiter);
	}
	if (given)
		fetched(hub, flow);
}

static void ready(struct tlshub_hub *hub, struct tlshub_flow *flow, struct tlshub_peer *peer,
		  u32 lifetime_ms)
{
	set_state(hub, flow, TLSHUB_FLOW_READY, peer);
	tlshub_timer_set(hub, &flow->timer, flow->since + lifetime_ms * TLSHUB_MS);
}

static void __printf(3, 4)
	fail(struct tlshub_hub *hub, struct tlshub_flow *flow, const char *format, ...)
{
	struct tlshub_waiter *waiter, *next;
	char text[TLSHUB_TEXT_LEN];
	va_list arguments;

	va_start(arguments, format);
	vscnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	list_for_each_entry_safe (waiter, next, &flow->waiters, list) {
		const struct tlshub_asker asker = {
			.port_id = waiter->port_id,
			.sequence = waiter->sequence,
			.kind = waiter->kind,
		};

		if (waiter->kind == TLSHUB_WAITS_FETCH)
			continue;
		tell_start(hub, &asker, TLSHUB_REPLY_FAILED, NULL, text);
		drop_waiter(hub, waiter);
	}
	tlshub_count(hub, TLSHUB_A_COUNTER_STARTS_FAILED);
	forget(hub, flow);
}

/* ---- the client's side */

static void announce(struct tlshub_hub *hub, struct tlshub_flow *flow,
		     struct tlshub_session *session)
{
	struct tlshub_item item = {
		.kind = TLSHUB_ITEM_ANNOUNCE,
		.lifetime_ms = cpu_to_le32(hub->lifetime_ms),
	};
	struct tlshub_tuple tuple;

	tuple_of(&tuple, flow);
	if (flow->session_index != session->index.number) {
		flow->session_index = session->index.number;
		flow->number = session->next_number++;
		tlshub_session_master_key(session, true, flow->number, &tuple, flow->master_key);
	}
	item.number = cpu_to_le64(flow->number);
	item.tuple = tuple;
	item.tuple.ident = (__force u32)cpu_to_le32(tuple.ident);
	session->used = true;
	tlshub_session_send(hub, session, &item);
}

static struct tlshub_session *session_of(struct tlshub_hub *hub, const struct tlshub_flow *flow)
{
	struct tlshub_index *index;

	if (!flow->session_index)
		return NULL;
	index = tlshub_index_find(hub, flow->session_index);
	return index && index->kind == TLSHUB_INDEX_SESSION
		       ? container_of(index, struct tlshub_session, index)
		       : NULL;
}

/* Announces it, again if it was before, or sees to it that there will be a session; then waits. */
static void go_on(struct tlshub_hub *hub, struct tlshub_flow *flow)
{
	struct tlshub_session *session = session_of(hub, flow),
			      *newest = tlshub_peer_session(flow->peer);
	u64 now = tlshub_now(), pause = RETRY_NS << min(flow->tries, 3u);

	if (!session)
		session = newest;
	if (session) {
		announce(hub, flow, session);
		if (flow->tries >= DOUBT_TRIES && flow->peer->last_received < flow->since)
			tlshub_handshake_begin(flow->peer);
	}
	if (!newest || tlshub_session_worn(newest))
		tlshub_handshake_begin(flow->peer);
	tlshub_timer_set(hub, &flow->timer,
			 min_t(u64, flow->deadline, now + min_t(u64, pause, LONGEST_RETRY_NS)));
}

void tlshub_flow_session(struct tlshub_peer *peer)
{
	struct tlshub_flow *flow, *next;

	list_for_each_entry_safe (flow, next, &peer->flows, peer_list) {
		if (flow->state == TLSHUB_FLOW_STARTING && !session_of(peer->hub, flow)) {
			flow->tries = 0;
			go_on(peer->hub, flow);
		}
	}
}

static const char *fresh_problem(struct tlshub_hub *hub, const struct tlshub_peer *peer)
{
	if (!hub->has_identity)
		return "this node's module has no private key: tlshubctl tlshub set";
	if (!hub->socket)
		return "this node's module does not listen: tlshubctl tlshub set";
	if (!peer->has_endpoint)
		return "no endpoint of the peer's node is known: tlshubctl tlshub peers";
	return NULL;
}

/* A key for two pods of this node. */
static void start_here(struct tlshub_hub *hub, struct tlshub_flow *flow,
		       const struct tlshub_tuple *tuple)
{
	struct tlshub_flow *other = get(hub, tuple, true);

	if (!other) {
		fail(hub, flow, "no room for more keys");
		return;
	}
	flow->ident = tuple->ident;
	other->ident = tuple->ident;
	get_random_bytes(flow->master_key, sizeof(flow->master_key));
	memcpy(other->master_key, flow->master_key, sizeof(other->master_key));
	tlshub_count(hub, TLSHUB_A_COUNTER_STARTS);
	ready(hub, other, NULL, hub->lifetime_ms);
	serve(hub, other, TLSHUB_REPLY_DONE);
	ready(hub, flow, NULL, hub->lifetime_ms);
	serve(hub, flow, TLSHUB_REPLY_DONE);
}

static void refuse_start(struct tlshub_hub *hub, const struct tlshub_asker *asker, const char *text)
{
	tlshub_count(hub, TLSHUB_A_COUNTER_STARTS_FAILED);
	tell_start(hub, asker, TLSHUB_REPLY_FAILED, NULL, text);
}

void tlshub_flow_start(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, u32 timeout_ms,
		       const struct tlshub_asker *asker)
{
	struct tlshub_flow *flow = find(hub, tuple, false);
	struct tlshub_network *ours, *theirs;
	char text[TLSHUB_TEXT_LEN], address[TLSHUB_ADDRESS_TEXT];
	const char *problem;

	lockdep_assert_held(&hub->lock);
	if (flow && flow->state == TLSHUB_FLOW_READY && same_ident(flow->ident, tuple->ident)) {
		const u8 *key = asker->wants_key ? flow->master_key : NULL;

		if (tell_start(hub, asker, TLSHUB_REPLY_CONNECTED, key, NULL) && key)
			fetched(hub, flow);
		return;
	}
	if (flow && flow->state == TLSHUB_FLOW_STARTING) {
		if (same_ident(flow->ident, tuple->ident)) {
			if (!add_waiter(hub, flow, asker, tuple->ident, 0))
				refuse_start(hub, asker, "too many requests wait");
			return;
		}
		fail(hub, flow, "the same ports were used for another connection");
	}

	ours = tlshub_network_find(&hub->networks, tuple->client_address);
	if (!ours || ours->peer) {
		snprintf(text, sizeof(text), "%s is no pod of this node: tlshubctl tlshub show",
			 tlshub_address_text(tuple->client_address, address));
		refuse_start(hub, asker, text);
		return;
	}
	theirs = tlshub_network_find(&hub->networks, tuple->server_address);
	if (!theirs) {
		snprintf(text, sizeof(text), "no node is known to have %s: tlshubctl tlshub peers",
			 tlshub_address_text(tuple->server_address, address));
		refuse_start(hub, asker, text);
		return;
	}
	problem = theirs->peer ? fresh_problem(hub, theirs->peer) : NULL;
	if (!problem && theirs->peer && theirs->peer->starting >= STARTING_MAX)
		problem = "too many keys are being made with the peer's node";
	if (!problem) {
		flow = get(hub, tuple, false);
		if (!flow || !add_waiter(hub, flow, asker, tuple->ident, 0))
			problem = "no room for more keys";
		if (flow && problem && flow->state == TLSHUB_FLOW_EXPECTED && !flow->waiter_count)
			forget(hub, flow);
	}
	if (problem) {
		refuse_start(hub, asker, problem);
		return;
	}
	tlshub_timer_stop(hub, &flow->timer);
	if (!theirs->peer) {
		start_here(hub, flow, tuple);
		return;
	}
	memzero_explicit(flow->master_key, sizeof(flow->master_key));
	flow->ident = tuple->ident;
	flow->tries = 0;
	flow->session_index = 0;
	set_state(hub, flow, TLSHUB_FLOW_STARTING, theirs->peer);
	flow->deadline = flow->since + (timeout_ms ?: hub->start_ms) * TLSHUB_MS;
	go_on(hub, flow);
}

/* The flow that an answer of the peer is about, if it waits for it. */
static struct tlshub_flow *answered(struct tlshub_session *session, const struct tlshub_item *item)
{
	struct tlshub_flow *flow = find(session->peer->hub, &item->tuple, false);

	if (!flow || flow->state != TLSHUB_FLOW_STARTING || flow->peer != session->peer ||
	    flow->session_index != session->index.number ||
	    flow->number != le64_to_cpu(item->number))
		return NULL;
	return flow;
}

void tlshub_flow_acknowledged(struct tlshub_session *session, const struct tlshub_item *item)
{
	struct tlshub_peer *peer = session->peer;
	struct tlshub_hub *hub = peer->hub;
	struct tlshub_flow *flow = answered(session, item);
	u8 type = peer->known ? TLSHUB_REPLY_DONE : TLSHUB_REPLY_FIRST;

	if (!flow)
		return;
	peer->known = true;
	peer->starts++;
	tlshub_count(hub, TLSHUB_A_COUNTER_STARTS);
	ready(hub, flow, peer, hub->lifetime_ms);
	serve(hub, flow, type);
}

void tlshub_flow_refused(struct tlshub_session *session, const struct tlshub_item *item)
{
	struct tlshub_peer *peer = session->peer;
	struct tlshub_hub *hub = peer->hub;
	struct tlshub_flow *flow = answered(session, item);

	if (!flow)
		return;
	switch (item->why) {
	case TLSHUB_REFUSED_AGAIN:
		flow->session_index = 0;
		go_on(hub, flow);
		break;
	case TLSHUB_REFUSED_NETWORK:
		fail(hub, flow,
		     "%s does not take it: to it, one of the addresses is not of this node or not "
		     "of its own",
		     peer->name);
		break;
	case TLSHUB_REFUSED_ROOM:
		fail(hub, flow, "%s has no room for more keys", peer->name);
		break;
	default:
		fail(hub, flow, "%s refused it (%u)", peer->name, item->why);
	}
}

/* ---- the server's side */

static void reply_item(struct tlshub_session *session, const struct tlshub_item *item,
		       enum tlshub_item_kind kind, enum tlshub_refusal why)
{
	struct tlshub_item reply = {
		.kind = kind,
		.why = why,
		.number = item->number,
		.tuple = item->tuple,
	};

	reply.tuple.ident = (__force u32)cpu_to_le32(item->tuple.ident);
	tlshub_session_send(session->peer->hub, session, &reply);
}

static void refuse_item(struct tlshub_session *session, const struct tlshub_item *item,
			enum tlshub_refusal why)
{
	reply_item(session, item, TLSHUB_ITEM_REFUSE, why);
}

void tlshub_flow_announced(struct tlshub_session *session, const struct tlshub_item *item)
{
	struct tlshub_peer *peer = session->peer;
	struct tlshub_hub *hub = peer->hub;
	u64 number = le64_to_cpu(item->number);
	struct tlshub_network *client, *server;
	struct tlshub_flow *flow;
	bool full;

	/* Numbers of an honest peer are far below: this keeps the window from its end. */
	if (number > U32_MAX) {
		refuse_item(session, item, TLSHUB_REFUSED_AGAIN);
		return;
	}
	switch (tlshub_window_look(&session->numbers, number)) {
	case TLSHUB_NUMBER_TAKEN:
		reply_item(session, item, TLSHUB_ITEM_ACKNOWLEDGE, 0);
		return;
	case TLSHUB_NUMBER_OLD:
		refuse_item(session, item, TLSHUB_REFUSED_AGAIN);
		return;
	case TLSHUB_NUMBER_NEW:
		break;
	}
	client = tlshub_network_find(&hub->networks, item->tuple.client_address);
	server = tlshub_network_find(&hub->networks, item->tuple.server_address);
	if (!client || client->peer != peer || !server || server->peer) {
		tlshub_count(hub, TLSHUB_A_COUNTER_REFUSED_NETWORK);
		refuse_item(session, item, TLSHUB_REFUSED_NETWORK);
		return;
	}
	/* Nobody may have it all: not one peer, and not all of them together. */
	full = peer->taken >= tlshub_max_keys / 4 || hub->taken_count >= tlshub_max_keys / 4 * 3;
	flow = full ? NULL : get(hub, &item->tuple, true);
	if (!flow) {
		tlshub_count(hub, TLSHUB_A_COUNTER_REFUSED_ROOM);
		refuse_item(session, item, TLSHUB_REFUSED_ROOM);
		return;
	}
	tlshub_window_take(&session->numbers, number);
	session->used = true;
	flow->ident = item->tuple.ident;
	tlshub_session_master_key(session, false, number, &item->tuple, flow->master_key);
	peer->keys_taken++;
	tlshub_count(hub, TLSHUB_A_COUNTER_KEYS_TAKEN);
	ready(hub, flow, peer, min(hub->lifetime_ms, le32_to_cpu(item->lifetime_ms)));
	reply_item(session, item, TLSHUB_ITEM_ACKNOWLEDGE, 0);
	serve(hub, flow, TLSHUB_REPLY_DONE);
}

/* ---- both sides */

static void timer_run(struct tlshub_hub *hub, struct tlshub_timer *timer)
{
	struct tlshub_flow *flow = container_of(timer, struct tlshub_flow, timer);
	char address[TLSHUB_ADDRESS_TEXT];

	switch (flow->state) {
	case TLSHUB_FLOW_STARTING:
		if (tlshub_now() < flow->deadline) {
			flow->tries++;
			go_on(hub, flow);
		} else if (session_of(hub, flow)) {
			fail(hub, flow, "%s does not acknowledge the key", flow->peer->name);
		} else {
			fail(hub, flow,
			     "no handshake with %s at %s port %u: is its module up, does it know "
			     "our key?",
			     flow->peer->name,
			     tlshub_address_text(flow->peer->endpoint.address.s6_addr, address),
			     ntohs(flow->peer->endpoint.port));
		}
		break;
	case TLSHUB_FLOW_READY:
		tlshub_count(hub, TLSHUB_A_COUNTER_KEYS_EXPIRED);
		set_state(hub, flow, TLSHUB_FLOW_EXPIRED, flow->peer);
		tlshub_timer_set(hub, &flow->timer, flow->since + EXPIRED_NS);
		break;
	default:
		forget(hub, flow);
	}
}

void tlshub_flow_fetch4(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, bool server,
			u32 port_id, u32 sequence)
{
	struct tlshub_flow *flow = find(hub, tuple, server);

	if (flow && flow->state == TLSHUB_FLOW_READY) {
		if (!tlshub_answer_fetch4(hub, port_id, sequence, TLSHUB_KEY_OK, flow->master_key))
			fetched(hub, flow);
		return;
	}
	tlshub_answer_fetch4(hub, port_id, sequence,
			     flow && flow->state == TLSHUB_FLOW_EXPIRED ? TLSHUB_KEY_EXPIRED
									: TLSHUB_KEY_NONE,
			     NULL);
}

void tlshub_flow_fetch(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, bool server,
		       u32 wait_ms, const struct tlshub_asker *asker)
{
	struct tlshub_flow *flow = find(hub, tuple, server);
	bool ours = flow && same_ident(flow->ident, tuple->ident);
	s32 status = TLSHUB_KEY_NONE;

	if (ours && flow->state == TLSHUB_FLOW_READY) {
		if (!tlshub_answer(hub, asker->port_id, asker->sequence, TLSHUB_REPLY_KEY,
				   TLSHUB_KEY_OK, flow->master_key, NULL))
			fetched(hub, flow);
		return;
	}
	if (wait_ms) {
		flow = get(hub, tuple, server);
		if (flow && add_waiter(hub, flow, asker, tuple->ident, wait_ms))
			return;
		if (flow && flow->state == TLSHUB_FLOW_EXPECTED && !flow->waiter_count)
			forget(hub, flow);
	} else if (ours && flow->state == TLSHUB_FLOW_EXPIRED) {
		status = TLSHUB_KEY_EXPIRED;
	}
	tlshub_answer(hub, asker->port_id, asker->sequence, TLSHUB_REPLY_KEY, status, NULL, NULL);
}

void tlshub_flow_peer_removed(struct tlshub_peer *peer)
{
	struct tlshub_flow *flow, *next;

	list_for_each_entry_safe (flow, next, &peer->flows, peer_list) {
		if (flow->state == TLSHUB_FLOW_STARTING)
			fail(peer->hub, flow, "%s is no peer any more", peer->name);
		else
			forget(peer->hub, flow);
	}
}

static void free_flow(void *object, void *argument)
{
	kfree_sensitive(object);
}

void tlshub_flows_exit(struct tlshub_hub *hub)
{
	struct tlshub_waiter *waiter;
	struct hlist_node *next;
	int i;

	for (i = 0; i < TLSHUB_WAITER_BUCKETS; i++) {
		hlist_for_each_entry_safe(waiter, next, &hub->waiters[i], by_port) kfree(waiter);
	}
	rhashtable_free_and_destroy(&hub->flows, free_flow, NULL);
}

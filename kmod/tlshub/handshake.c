// SPDX-License-Identifier: GPL-2.0-only
/*
 * From no session to a session. One worker of the hub does the public-key arithmetic, without the
 * lock: it makes the first messages of peers that are in `begins`, and answers what came and is in
 * `queue`. After each piece of arithmetic it takes the lock and looks again whether what it was for
 * is still there.
 *
 * The queue is all that a flood can fill. When it is an eighth full, messages need a cookie before
 * they get into it (cookie.c), and messages of sessions never pass through it.
 */
#include "hub.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#define QUEUE_MAX 1024
#define QUEUE_LOADED (QUEUE_MAX / 8)
#define LOADED_NS TLSHUB_SECOND_NS
/*
 * One peer's first messages: not more often than this. Its next one is later anyway, unless it is
 * lost.
 */
#define ANSWER_NS (20 * TLSHUB_MS)
/* Until the answer has to be there, doubled with each try. */
#define FIRST_TRY_NS (250 * TLSHUB_MS)
#define LONGEST_TRY_NS (2 * TLSHUB_SECOND_NS)
#define TRIES_MAX 8
/* For how long the one who answered keeps a session that the other did not use. */
#define UNCONFIRMED_NS (10 * TLSHUB_SECOND_NS)
/* Pieces of work before others get the processor. */
#define PORTION 16

/*
 * The time of a first message: later than that of the one before, which is all that it is for. By
 * the clock of the machine when the module was loaded, and from then on by one that nobody sets.
 */
static u64 load_offset;

void tlshub_handshakes_set_clock(void)
{
	load_offset = ktime_get_real_ns() - ktime_get_boottime_ns();
}

static void make_timestamp(struct tlshub_peer *peer, u8 timestamp[TLSHUB_TIMESTAMP_LEN])
{
	u64 now = load_offset + tlshub_now();
	__be64 big;

	peer->last_sent_timestamp = max(peer->last_sent_timestamp + 1, now);
	big = cpu_to_be64(peer->last_sent_timestamp);
	memcpy(timestamp, &big, sizeof(big));
	memcpy(timestamp + TLSHUB_TIME_LEN, peer->hub->instance, TLSHUB_INSTANCE_LEN);
}

static void kick(struct tlshub_hub *hub)
{
	if (!hub->ending)
		queue_work(tlshub_workqueue, &hub->handshake_work);
}

static void discard(struct tlshub_hub *hub, struct tlshub_peer *peer)
{
	struct tlshub_handshake *handshake = peer->handshake;

	if (!handshake)
		return;
	peer->handshake = NULL;
	tlshub_index_remove(hub, &handshake->index);
	kfree_sensitive(handshake);
}

void tlshub_handshake_begin(struct tlshub_peer *peer)
{
	struct tlshub_hub *hub = peer->hub;

	lockdep_assert_held(&hub->lock);
	if (peer->shaking || peer->removed || !peer->has_endpoint || !hub->has_identity ||
	    !hub->socket)
		return;
	/* The peer takes no two in a shorter time, either. */
	if (peer->last_begun && tlshub_now() - peer->last_begun < FIRST_TRY_NS)
		return;
	peer->shaking = true;
	peer->tries = 0;
	list_move_tail(&peer->begin, &hub->begins);
	kick(hub);
}

void tlshub_handshake_stop(struct tlshub_peer *peer)
{
	struct tlshub_hub *hub = peer->hub;

	peer->shaking = false;
	list_del_init(&peer->begin);
	tlshub_timer_stop(hub, &peer->timer);
	discard(hub, peer);
}

/* No answer. */
void tlshub_handshake_timer(struct tlshub_hub *hub, struct tlshub_timer *timer)
{
	struct tlshub_peer *peer = container_of(timer, struct tlshub_peer, timer);
	bool needed = peer->current_session || peer->starting;

	discard(hub, peer);
	if (needed && peer->tries < TRIES_MAX) {
		list_move_tail(&peer->begin, &hub->begins);
		kick(hub);
		return;
	}
	peer->shaking = false;
	list_del_init(&peer->begin);
	tlshub_count(hub, TLSHUB_A_COUNTER_HANDSHAKES_FAILED);
	tlshub_event(hub, TLSHUB_EVENT_LOST, peer, NULL, NULL);
}

/*
 * Makes and sends a first message. With the lock, which it gives up in between; @peer is the
 * caller's to put.
 */
static void begin_one(struct tlshub_hub *hub, struct tlshub_peer *peer)
{
	struct tlshub_identity identity = hub->identity;
	u32 serial = hub->identity_serial;
	struct tlshub_handshake *handshake;
	struct tlshub_first message = {
		.head = {.type = TLSHUB_FIRST, .version = TLSHUB_WIRE_VERSION},
	};
	u8 timestamp[TLSHUB_TIMESTAMP_LEN], remote[CURVE25519_KEY_SIZE];
	bool made;
	u64 wait;

	make_timestamp(peer, timestamp);
	memcpy(remote, peer->public_key, sizeof(remote));
	tlshub_unlock(hub);

	handshake = kzalloc(sizeof(*handshake), GFP_KERNEL);
	made = handshake &&
	       tlshub_noise_write_first(&handshake->noise, &identity, remote, timestamp, &message);
	memzero_explicit(&identity, sizeof(identity));

	tlshub_lock(hub);
	if (!peer->shaking || peer->removed || serial != hub->identity_serial ||
	    memcmp(remote, peer->public_key, sizeof(remote))) {
		kfree_sensitive(handshake);
		return;
	}
	if (made) {
		handshake->index.kind = TLSHUB_INDEX_HANDSHAKE;
		handshake->peer = peer;
		made = tlshub_index_add(hub, &handshake->index) == 0;
	}
	peer->tries++;
	peer->last_begun = tlshub_now();
	if (made) {
		discard(hub, peer);
		peer->handshake = handshake;
		message.sender = cpu_to_le32(handshake->index.number);
		tlshub_cookie_sign(&peer->cookie, peer->public_key, &message, sizeof(message));
		if (!tlshub_endpoint_send(hub, &peer->endpoint, &message, sizeof(message)))
			peer->sent++;
	} else {
		kfree_sensitive(handshake);
	}
	wait = min_t(u64, FIRST_TRY_NS << min(peer->tries - 1, 8u), LONGEST_TRY_NS);
	/* Two that wait for each other's answer do not do so in step. */
	tlshub_timer_set(hub, &peer->timer,
			 tlshub_now() + wait + get_random_u32() % (u32)(wait / 8));
}

/* A first message, with the lock, which it gives up in between. */
static void answer_first(struct tlshub_hub *hub, const struct tlshub_queued *queued)
{
	const struct tlshub_first *first = (const struct tlshub_first *)queued->message;
	struct tlshub_identity identity = hub->identity;
	u32 serial = hub->identity_serial;
	struct tlshub_second second = {
		.head = {.type = TLSHUB_SECOND, .version = TLSHUB_WIRE_VERSION},
		.receiver = first->sender,
	};
	u8 remote[CURVE25519_KEY_SIZE], preshared[TLSHUB_KEY_LEN], timestamp[TLSHUB_TIMESTAMP_LEN];
	struct tlshub_session *session;
	struct tlshub_noise noise;
	struct tlshub_peer *peer;
	bool good;

	tlshub_unlock(hub);
	good = tlshub_noise_read_first(&noise, &identity, first, remote);
	tlshub_lock(hub);
	peer = good ? tlshub_peer_by_key(hub, remote) : NULL;
	if (!peer) {
		/*
		 * Whose it says it is: that it is authentic would take another multiplication to
		 * know, which strangers are not worth.
		 */
		tlshub_count(hub, good ? TLSHUB_A_COUNTER_DROP_UNKNOWN_PEER
				       : TLSHUB_A_COUNTER_DROP_FORGED);
		if (good)
			tlshub_event(hub, TLSHUB_EVENT_UNKNOWN_PEER, NULL, &queued->from, remote);
		goto out;
	}
	if (peer->last_answered && tlshub_now() - peer->last_answered < ANSWER_NS) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_RATE);
		goto out;
	}
	memcpy(preshared, peer->preshared_key, sizeof(preshared));
	tlshub_unlock(hub);
	good = tlshub_noise_read_timestamp(&noise, &identity, first, remote, timestamp);
	tlshub_lock(hub);

	peer = tlshub_peer_by_key(hub, remote);
	if (!good || !peer || serial != hub->identity_serial) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_FORGED);
		goto out;
	}
	if (memcmp(timestamp, peer->last_time, sizeof(peer->last_time)) <= 0) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_REPLAYED_HANDSHAKE);
		goto out;
	}
	memcpy(peer->last_time, timestamp, sizeof(peer->last_time));
	peer->last_answered = tlshub_now();
	tlshub_unlock(hub);
	good = tlshub_noise_write_second(&noise, remote, preshared, hub->instance, &second);
	tlshub_lock(hub);

	peer = tlshub_peer_by_key(hub, remote);
	if (!good || !peer || serial != hub->identity_serial ||
	    crypto_memneq(preshared, peer->preshared_key, sizeof(preshared)))
		goto out;
	session = tlshub_session_new(hub, peer, 0);
	if (!session)
		goto out;
	session->remote_index = le32_to_cpu(first->sender);
	memcpy(session->instance, timestamp + TLSHUB_TIME_LEN, sizeof(session->instance));
	tlshub_noise_split(&noise, false, &session->keys);
	tlshub_timer_set(hub, &session->timer, session->since + UNCONFIRMED_NS);
	tlshub_session_free(hub, peer->next);
	peer->next = session;
	peer->received++;
	tlshub_peer_moved(peer, &queued->from);
	second.sender = cpu_to_le32(session->index.number);
	tlshub_cookie_sign(&peer->cookie, peer->public_key, &second, sizeof(second));
	if (!tlshub_endpoint_send(hub, &peer->endpoint, &second, sizeof(second)))
		peer->sent++;
out:
	memzero_explicit(&identity, sizeof(identity));
	memzero_explicit(&noise, sizeof(noise));
	memzero_explicit(preshared, sizeof(preshared));
}

static struct tlshub_handshake *handshake_of(struct tlshub_hub *hub, __le32 receiver)
{
	struct tlshub_index *index = tlshub_index_find(hub, le32_to_cpu(receiver));

	if (!index || index->kind != TLSHUB_INDEX_HANDSHAKE)
		return NULL;
	return container_of(index, struct tlshub_handshake, index);
}

/* The answer to ours, with the lock, which it gives up in between. */
static void take_second(struct tlshub_hub *hub, const struct tlshub_queued *queued)
{
	const struct tlshub_second *second = (const struct tlshub_second *)queued->message;
	struct tlshub_handshake *handshake = handshake_of(hub, second->receiver);
	struct tlshub_identity identity = hub->identity;
	u8 preshared[TLSHUB_KEY_LEN] = {}, instance[TLSHUB_INSTANCE_LEN];
	struct tlshub_session *session;
	struct tlshub_noise noise;
	struct tlshub_peer *peer;
	bool good;

	if (!handshake) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_SESSION);
		memzero_explicit(&identity, sizeof(identity));
		return;
	}
	noise = handshake->noise;
	memcpy(preshared, handshake->peer->preshared_key, sizeof(preshared));
	tlshub_unlock(hub);
	good = tlshub_noise_read_second(&noise, &identity, preshared, second, instance);
	tlshub_lock(hub);

	if (!good) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_FORGED);
		goto out;
	}
	/* What it answers is gone if keys have changed in between, or if it came twice. */
	handshake = handshake_of(hub, second->receiver);
	if (!handshake) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_SESSION);
		goto out;
	}
	peer = handshake->peer;
	/* Its number is what the peer calls us by from now on. */
	tlshub_handshake_stop(peer);
	session = tlshub_session_new(hub, peer, le32_to_cpu(second->receiver));
	if (!session)
		goto out;
	session->remote_index = le32_to_cpu(second->sender);
	memcpy(session->instance, instance, sizeof(session->instance));
	tlshub_noise_split(&noise, true, &session->keys);
	peer->received++;
	tlshub_peer_moved(peer, &queued->from);
	tlshub_peer_use_session(peer, session);
out:
	memzero_explicit(&identity, sizeof(identity));
	memzero_explicit(&noise, sizeof(noise));
	memzero_explicit(preshared, sizeof(preshared));
}

static struct tlshub_queued *take_queued(struct tlshub_hub *hub)
{
	struct tlshub_queued *queued;

	queued = list_first_entry_or_null(&hub->queue, struct tlshub_queued, list);
	if (queued) {
		list_del(&queued->list);
		hub->queue_length--;
	}
	return queued;
}

static bool begin_next(struct tlshub_hub *hub)
{
	struct tlshub_peer *peer =
		list_first_entry_or_null(&hub->begins, struct tlshub_peer, begin);

	if (!peer)
		return false;
	list_del_init(&peer->begin);
	tlshub_peer_get(peer);
	begin_one(hub, peer);
	tlshub_peer_put(peer);
	return true;
}

static bool answer_next(struct tlshub_hub *hub)
{
	struct tlshub_queued *queued = take_queued(hub);

	if (!queued)
		return false;
	if (!hub->has_identity || hub->ending)
		;
	else if (queued->len == sizeof(struct tlshub_first))
		answer_first(hub, queued);
	else
		take_second(hub, queued);
	kfree(queued);
	return true;
}

static void work(struct work_struct *work)
{
	struct tlshub_hub *hub = container_of(work, struct tlshub_hub, handshake_work);
	bool more = true;
	int count;

	tlshub_lock(hub);
	for (count = 0; count < PORTION && more && !hub->ending; count++)
		more = begin_next(hub) | answer_next(hub);
	if (more)
		kick(hub);
	tlshub_unlock(hub);
}

static bool under_load(struct tlshub_hub *hub)
{
	u64 now = tlshub_now();

	if (hub->queue_length >= QUEUE_LOADED) {
		if (hub->cookies.loaded_until < now)
			tlshub_event(hub, TLSHUB_EVENT_UNDER_LOAD, NULL, NULL, NULL);
		hub->cookies.loaded_until = now + LOADED_NS;
	}
	return hub->cookies.loaded_until > now;
}

void tlshub_handshake_received(struct tlshub_hub *hub, const struct tlshub_endpoint *from,
			       const void *message, size_t len)
{
	const struct tlshub_second *second = message;
	struct tlshub_cookie_message answer;
	struct tlshub_queued *queued;

	lockdep_assert_held(&hub->lock);
	if (!hub->has_identity)
		return;
	switch (tlshub_cookies_check(&hub->cookies, message, len, from, under_load(hub))) {
	case TLSHUB_DROP_MAC:
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_MAC);
		return;
	case TLSHUB_DROP_COOKIE:
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_COOKIE);
		/* `sender` is at the same place in both. */
		tlshub_cookies_answer(&hub->cookies, message, len, from, second->sender, &answer);
		if (!tlshub_endpoint_send(hub, from, &answer, sizeof(answer)))
			tlshub_count(hub, TLSHUB_A_COUNTER_COOKIES_SENT);
		return;
	case TLSHUB_DROP_RATE:
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_RATE);
		return;
	case TLSHUB_PASS:
		break;
	}
	if (hub->queue_length >= QUEUE_MAX)
		goto full;
	queued = kmalloc(sizeof(*queued), GFP_KERNEL);
	if (!queued)
		goto full;
	queued->from = *from;
	queued->len = len;
	memcpy(queued->message, message, len);
	list_add_tail(&queued->list, &hub->queue);
	hub->queue_length++;
	kick(hub);
	return;
full:
	tlshub_count(hub, TLSHUB_A_COUNTER_DROP_QUEUE);
}

void tlshub_handshake_cookie(struct tlshub_hub *hub, const struct tlshub_cookie_message *message)
{
	struct tlshub_index *index = tlshub_index_find(hub, le32_to_cpu(message->receiver));
	struct tlshub_peer *peer = NULL;

	/* It answers a first message of ours, or a second, which has made a session here. */
	if (index && index->kind == TLSHUB_INDEX_HANDSHAKE)
		peer = container_of(index, struct tlshub_handshake, index)->peer;
	else if (index)
		peer = container_of(index, struct tlshub_session, index)->peer;
	if (!peer || !tlshub_cookie_take(&peer->cookie, peer->public_key, message))
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_FORGED);
}

void tlshub_handshakes_init(struct tlshub_hub *hub)
{
	INIT_LIST_HEAD(&hub->begins);
	INIT_LIST_HEAD(&hub->queue);
	INIT_WORK(&hub->handshake_work, work);
}

void tlshub_handshakes_exit(struct tlshub_hub *hub)
{
	struct tlshub_queued *queued;

	cancel_work_sync(&hub->handshake_work);
	while ((queued = take_queued(hub)))
		kfree(queued);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A session: keys that a handshake gave, for three minutes. After two, or 65,536 keys of
 * connections, the next handshake is begun. What was sent over a session cannot be opened with
 * anything that is left when it is wiped.
 */
#include "hub.h"

#include <linux/slab.h>

#define END_NS (180 * TLSHUB_SECOND_NS)
/*
 * Of the secrets for keys and of the nonces there is no end in sight; these are to notice if it
 * were otherwise.
 */
#define NUMBERS_MAX (1u << 20)
#define COUNTER_MAX (1ull << 40)

static const char key_label[] = "tlshub flow key v1";

/*
 * First when it is time to renew it, which its initiator does unasked if it was used: who uses a
 * session all the time never waits for the next one. Then at its end.
 */
static void aged(struct tlshub_hub *hub, struct tlshub_timer *timer)
{
	struct tlshub_session *session = container_of(timer, struct tlshub_session, timer);
	struct tlshub_peer *peer = session->peer;

	if (session->initiator && !session->renewing && peer->current_session == session) {
		session->renewing = true;
		tlshub_timer_set(hub, timer, session->since + END_NS);
		if (session->used)
			tlshub_handshake_begin(peer);
		return;
	}
	if (peer->current_session == session)
		tlshub_event(hub, TLSHUB_EVENT_LOST, peer, NULL, NULL);
	tlshub_session_free(hub, session);
}

struct tlshub_session *tlshub_session_new(struct tlshub_hub *hub, struct tlshub_peer *peer,
					  u32 number)
{
	struct tlshub_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->index.kind = TLSHUB_INDEX_SESSION;
	session->index.number = number;
	session->peer = peer;
	session->initiator = number != 0;
	session->since = tlshub_now();
	tlshub_timer_init(&session->timer, aged);
	if (tlshub_index_add(hub, &session->index)) {
		kfree(session);
		return NULL;
	}
	tlshub_timer_set(hub, &session->timer,
			 session->since +
				 (number ? tlshub_renew_seconds * TLSHUB_SECOND_NS : END_NS));
	return session;
}

void tlshub_session_free(struct tlshub_hub *hub, struct tlshub_session *session)
{
	struct tlshub_peer *peer;

	if (!session)
		return;
	peer = session->peer;
	if (hub->outbox.session == session)
		tlshub_session_flush(hub);
	if (peer->current_session == session)
		peer->current_session = NULL;
	if (peer->previous == session)
		peer->previous = NULL;
	if (peer->next == session)
		peer->next = NULL;
	tlshub_timer_stop(hub, &session->timer);
	tlshub_index_remove(hub, &session->index);
	kfree_sensitive(session);
}

bool tlshub_session_open(const struct tlshub_session *session)
{
	return session->next_number < NUMBERS_MAX && session->next_counter < COUNTER_MAX;
}

bool tlshub_session_worn(const struct tlshub_session *session)
{
	return session->next_number >= tlshub_renew_keys ||
	       session->numbers.next >= tlshub_renew_keys ||
	       tlshub_now() - session->since >= tlshub_renew_seconds * TLSHUB_SECOND_NS;
}

void tlshub_session_master_key(const struct tlshub_session *session, bool ours, u64 number,
			       const struct tlshub_tuple *tuple,
			       u8 master_key[TLSHUB_MASTER_KEY_LEN])
{
	const u8 *secret = ours ? session->keys.send_flow : session->keys.receive_flow;
	__le32 ident = cpu_to_le32(tuple->ident);
	__le64 little = cpu_to_le64(number);
	struct tlshub_hmac hmac;

	tlshub_hmac_init(&hmac, secret, TLSHUB_HASH_LEN);
	tlshub_hmac_update(&hmac, key_label, sizeof(key_label) - 1);
	tlshub_hmac_update(&hmac, &little, sizeof(little));
	tlshub_hmac_update(&hmac, tuple, offsetof(struct tlshub_tuple, ident));
	tlshub_hmac_update(&hmac, &ident, sizeof(ident));
	tlshub_hmac_final(&hmac, master_key);
}

static void transmit(struct tlshub_hub *hub, struct tlshub_session *session,
		     const struct tlshub_item *items, unsigned int count)
{
	u8 datagram[sizeof(struct tlshub_session_head) + sizeof(struct tlshub_item) +
		    TLSHUB_TAG_LEN];
	size_t len = count * sizeof(*items);
	struct tlshub_session_head *head;
	void *buffer = datagram;

	if (sizeof(*head) + len + TLSHUB_TAG_LEN > sizeof(datagram)) {
		buffer = kmalloc(TLSHUB_DATAGRAM_MAX, GFP_KERNEL);
		if (!buffer) {
			tlshub_count(hub, TLSHUB_A_COUNTER_SEND_ERRORS);
			return;
		}
	}
	head = buffer;
	*head = (struct tlshub_session_head){
		.head = {.type = TLSHUB_SESSION, .version = TLSHUB_WIRE_VERSION},
		.receiver = cpu_to_le32(session->remote_index),
		.counter = cpu_to_le64(session->next_counter),
	};
	chacha20poly1305_encrypt((u8 *)(head + 1), (const u8 *)items, len, (const u8 *)head,
				 sizeof(*head), session->next_counter++, session->keys.send);
	if (!tlshub_endpoint_send(hub, &session->peer->endpoint, buffer,
				  sizeof(*head) + len + TLSHUB_TAG_LEN))
		session->peer->sent++;
	if (buffer != datagram)
		kfree(buffer);
}

void tlshub_session_flush(struct tlshub_hub *hub)
{
	struct tlshub_outbox *outbox = &hub->outbox;

	if (!outbox->session)
		return;
	transmit(hub, outbox->session, outbox->items, outbox->count);
	outbox->session = NULL;
	outbox->count = 0;
}

void tlshub_session_send(struct tlshub_hub *hub, struct tlshub_session *session,
			 const struct tlshub_item *item)
{
	struct tlshub_outbox *outbox = &hub->outbox;

	lockdep_assert_held(&hub->lock);
	if (outbox->session && (outbox->session != session || outbox->count == TLSHUB_ITEMS_MAX))
		tlshub_session_flush(hub);
	outbox->session = session;
	outbox->items[outbox->count++] = *item;
}

void tlshub_session_confirm(struct tlshub_hub *hub, struct tlshub_session *session)
{
	if (hub->outbox.session != session)
		transmit(hub, session, NULL, 0);
}

int tlshub_session_decrypt(struct tlshub_session *session, const void *message, size_t len,
			   struct tlshub_item *items)
{
	const struct tlshub_session_head *head = message;
	size_t sealed = len - sizeof(*head), plain = sealed - TLSHUB_TAG_LEN;
	u64 counter = le64_to_cpu(head->counter);

	if (len < sizeof(*head) + TLSHUB_TAG_LEN || plain % sizeof(*items) ||
	    plain > TLSHUB_ITEMS_MAX * sizeof(*items))
		return -TLSHUB_A_COUNTER_DROP_MALFORMED;
	if (counter >= COUNTER_MAX)
		return -TLSHUB_A_COUNTER_DROP_REPLAYED;
	if (!chacha20poly1305_decrypt((u8 *)items, (const u8 *)(head + 1), sealed, (const u8 *)head,
				      sizeof(*head), counter, session->keys.receive))
		return -TLSHUB_A_COUNTER_DROP_UNDECRYPTABLE;
	if (tlshub_window_take(&session->counters, counter) != TLSHUB_NUMBER_NEW)
		return -TLSHUB_A_COUNTER_DROP_REPLAYED;
	return plain / sizeof(*items);
}

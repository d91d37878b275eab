// SPDX-License-Identifier: GPL-2.0-only
/* What comes from other nodes: read from the socket in portions, told apart, and handed on. */
#include "hub.h"

#define PORTION 64

static void take_items(struct tlshub_session *session, struct tlshub_item *items, int count)
{
	struct tlshub_peer *peer = session->peer;
	struct tlshub_hub *hub = peer->hub;
	int i;

	for (i = 0; i < count; i++) {
		struct tlshub_item *item = &items[i];

		item->tuple.ident = le32_to_cpu((__force __le32)item->tuple.ident);
		switch (item->kind) {
		case TLSHUB_ITEM_ANNOUNCE:
			tlshub_flow_announced(session, item);
			break;
		case TLSHUB_ITEM_ACKNOWLEDGE:
			tlshub_flow_acknowledged(session, item);
			break;
		case TLSHUB_ITEM_REFUSE:
			tlshub_flow_refused(session, item);
			break;
		case TLSHUB_ITEM_GOODBYE:
			if (peer->current_session == session)
				tlshub_event(hub, TLSHUB_EVENT_LOST, peer, NULL, NULL);
			tlshub_session_free(hub, session);
			return;
		default:
			/* of a later version */
			break;
		}
	}
}

static void take_session_message(struct tlshub_hub *hub, const struct tlshub_endpoint *from,
				 const struct tlshub_session_head *head, size_t len)
{
	struct tlshub_index *index = tlshub_index_find(hub, le32_to_cpu(head->receiver));
	struct tlshub_session *session;
	struct tlshub_peer *peer;
	int count;

	if (!index || index->kind != TLSHUB_INDEX_SESSION) {
		tlshub_count(hub, TLSHUB_A_COUNTER_DROP_SESSION);
		return;
	}
	session = container_of(index, struct tlshub_session, index);
	peer = session->peer;
	count = tlshub_session_decrypt(session, head, len, hub->receive_items);
	if (count < 0) {
		tlshub_count(hub, -count);
		return;
	}
	peer->received++;
	peer->last_received = tlshub_now();
	tlshub_peer_moved(peer, from);
	if (peer->next == session)
		tlshub_peer_use_session(peer, session);
	take_items(session, hub->receive_items, count);
	memzero_explicit(hub->receive_items, count * sizeof(hub->receive_items[0]));
}

static void take(struct tlshub_hub *hub, const struct tlshub_endpoint *from, const void *message,
		 size_t len)
{
	const struct tlshub_head *head = message;

	tlshub_count(hub, TLSHUB_A_COUNTER_RECEIVED);
	if (len < sizeof(*head) || len > TLSHUB_DATAGRAM_MAX ||
	    head->version != TLSHUB_WIRE_VERSION || head->zero)
		goto malformed;
	switch (head->type) {
	case TLSHUB_FIRST:
		if (len != sizeof(struct tlshub_first))
			goto malformed;
		tlshub_handshake_received(hub, from, message, len);
		return;
	case TLSHUB_SECOND:
		if (len != sizeof(struct tlshub_second))
			goto malformed;
		tlshub_handshake_received(hub, from, message, len);
		return;
	case TLSHUB_COOKIE:
		if (len != sizeof(struct tlshub_cookie_message))
			goto malformed;
		tlshub_handshake_cookie(hub, message);
		return;
	case TLSHUB_SESSION:
		if (len < sizeof(struct tlshub_session_head))
			goto malformed;
		take_session_message(hub, from, message, len);
		return;
	}
malformed:
	tlshub_count(hub, TLSHUB_A_COUNTER_DROP_MALFORMED);
}

static void work(struct work_struct *work)
{
	struct tlshub_hub *hub = container_of(work, struct tlshub_hub, receive_work);
	struct tlshub_endpoint from;
	int count, len = 0;

	tlshub_lock(hub);
	for (count = 0; count < PORTION && !hub->ending; count++) {
		len = tlshub_endpoint_receive(hub, &from, hub->receive_buffer,
					      sizeof(hub->receive_buffer));
		if (len < 0)
			break;
		take(hub, &from, hub->receive_buffer, len);
	}
	if (len >= 0 && !hub->ending)
		queue_work(tlshub_workqueue, &hub->receive_work);
	tlshub_unlock(hub);
}

void tlshub_channel_init(struct tlshub_hub *hub)
{
	INIT_WORK(&hub->receive_work, work);
}

void tlshub_channel_exit(struct tlshub_hub *hub)
{
	cancel_work_sync(&hub->receive_work);
}

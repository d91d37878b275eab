// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink protocol 31. A request is taken in the thread that sends it, and answered from there when
 * nothing has to be waited for; else when it is done, from where that is seen. An asker whose queue
 * is full is told so by netlink (ENOBUFS), and what it asked for stays.
 */
#include "hub.h"

#include <net/ipv6.h>
#include <net/netlink.h>
#include <net/netns/generic.h>
#include <net/sock.h>

#define WAIT_MAX_MS 60000

/* As the public struct has it: a reply is as long as it can be. */
struct answer4 {
	struct tlshub_reply4 reply;
	u8 padding[2];
};

static_assert(sizeof(struct nlmsghdr) + sizeof(struct answer4) == 144);
static_assert(sizeof(struct tlshub_request4) == 16);
static_assert(sizeof(struct tlshub_request) == 56);
static_assert(sizeof(struct tlshub_reply) == 168);

/*
 * The copy that netlink passes on is its own: what it does with its buffers when they were read is
 * the kernel's (init_on_free).
 */
static int send_to(struct tlshub_hub *hub, u32 port_id, u32 sequence, u16 type, const void *payload,
		   size_t len)
{
	struct sk_buff *skb = nlmsg_new(len, GFP_KERNEL);
	struct nlmsghdr *head;

	if (!skb)
		return -ENOMEM;
	head = nlmsg_put(skb, 0, sequence, type, len, 0);
	memcpy(nlmsg_data(head), payload, len);
	return nlmsg_unicast(hub->netlink, skb, port_id);
}

int tlshub_answer_start4(struct tlshub_hub *hub, u32 port_id, u32 sequence, u8 type,
			 const char *text)
{
	struct answer4 answer = {.reply.type = type};

	if (text)
		strscpy(answer.reply.text, text, sizeof(answer.reply.text));
	return send_to(hub, port_id, sequence, 0, &answer, sizeof(answer));
}

int tlshub_answer_fetch4(struct tlshub_hub *hub, u32 port_id, u32 sequence, s32 status,
			 const u8 *key)
{
	struct answer4 answer = {.reply.type = TLSHUB_REPLY_KEY};
	int error;

	memcpy(answer.reply.text, &status, sizeof(status));
	if (key)
		memcpy(answer.reply.text + sizeof(status), key, TLSHUB_MASTER_KEY_LEN);
	error = send_to(hub, port_id, sequence, 0, &answer, sizeof(answer));
	memzero_explicit(&answer, sizeof(answer));
	return error;
}

int tlshub_answer(struct tlshub_hub *hub, u32 port_id, u32 sequence, u8 type, s32 status,
		  const u8 *key, const char *text)
{
	struct tlshub_reply answer = {.type = type, .status = status};
	int error;

	if (key)
		memcpy(answer.key, key, sizeof(answer.key));
	if (text)
		strscpy(answer.text, text, sizeof(answer.text));
	error = send_to(hub, port_id, sequence, TLSHUB_MSG_REPLY, &answer, sizeof(answer));
	memzero_explicit(&answer, sizeof(answer));
	return error;
}

static void answer_init(struct tlshub_hub *hub, u32 port_id, u32 sequence)
{
	const struct tlshub_capabilities capabilities = {
		.magic = TLSHUB_CAPABILITIES_MAGIC,
		.features = TLSHUB_FEATURE_IPV6 | TLSHUB_FEATURE_MANY | TLSHUB_FEATURE_WAIT |
			    TLSHUB_FEATURE_KEY | TLSHUB_FEATURE_IDENT,
		.waiters = TLSHUB_WAITERS_MAX,
		.lifetime_ms = hub->lifetime_ms,
	};
	const size_t at = TLSHUB_CAPABILITIES_OFFSET - sizeof(struct nlmsghdr);
	struct answer4 answer = {.reply.type = TLSHUB_REPLY_READY};

	/* The text and its NUL end before the capabilities. */
	strscpy(answer.reply.text,
		hub->has_identity ? "TLSHub is ready" : "TLSHub is ready for its private key",
		at - offsetof(struct tlshub_reply4, text));
	memcpy((u8 *)&answer + at, &capabilities, sizeof(capabilities));
	send_to(hub, port_id, sequence, 0, &answer, sizeof(answer));
}

static int take4(struct tlshub_hub *hub, const struct nlmsghdr *head, u32 port_id)
{
	const struct tlshub_request4 *request = nlmsg_data(head);
	const struct tlshub_asker asker = {
		.port_id = port_id,
		.sequence = head->nlmsg_seq,
		.kind = TLSHUB_WAITS_START4,
	};
	struct tlshub_tuple tuple = {};

	if (nlmsg_len(head) < sizeof(*request))
		return -EINVAL;
	ipv6_addr_set_v4mapped(request->client_address, (struct in6_addr *)tuple.client_address);
	ipv6_addr_set_v4mapped(request->server_address, (struct in6_addr *)tuple.server_address);
	tuple.client_port = request->client_port;
	tuple.server_port = request->server_port;
	switch (request->opcode) {
	case TLSHUB_OP_INIT:
		answer_init(hub, port_id, head->nlmsg_seq);
		return 0;
	case TLSHUB_OP_START:
		if (request->server)
			return -EINVAL;
		tlshub_flow_start(hub, &tuple, 0, &asker);
		return 0;
	case TLSHUB_OP_FETCH:
		tlshub_flow_fetch4(hub, &tuple, request->server, port_id, head->nlmsg_seq);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int take_extended(struct tlshub_hub *hub, const struct nlmsghdr *head, u32 port_id)
{
	const struct tlshub_request *request = nlmsg_data(head);
	struct tlshub_asker asker = {.port_id = port_id, .sequence = head->nlmsg_seq};
	struct tlshub_tuple tuple;

	if (nlmsg_len(head) < sizeof(*request) || request->reserved || request->server > 1 ||
	    request->timeout_ms > WAIT_MAX_MS)
		return -EINVAL;
	memcpy(&tuple, &request->tuple, sizeof(tuple));
	switch (request->opcode) {
	case TLSHUB_OP_START:
		if (request->server || request->flags & ~TLSHUB_FLAG_KEY)
			return -EINVAL;
		asker.kind = TLSHUB_WAITS_START;
		asker.wants_key = request->flags & TLSHUB_FLAG_KEY;
		tlshub_flow_start(hub, &tuple, request->timeout_ms, &asker);
		return 0;
	case TLSHUB_OP_FETCH:
		if (request->flags & ~TLSHUB_FLAG_WAIT ||
		    !(request->flags & TLSHUB_FLAG_WAIT) != !request->timeout_ms)
			return -EINVAL;
		asker.kind = TLSHUB_WAITS_FETCH;
		asker.wants_key = true;
		tlshub_flow_fetch(hub, &tuple, request->server, request->timeout_ms, &asker);
		return 0;
	case TLSHUB_OP_CANCEL:
		if (request->flags || !request->cancelled)
			return -EINVAL;
		tlshub_flow_cancel(hub, port_id, request->cancelled);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int take(struct tlshub_hub *hub, struct sk_buff *skb, const struct nlmsghdr *head)
{
	u32 port_id = NETLINK_CB(skb).portid;
	int error;

	if (!netlink_ns_capable(skb, hub->net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	tlshub_lock(hub);
	if (head->nlmsg_type == 0)
		error = take4(hub, head, port_id);
	else if (head->nlmsg_type == TLSHUB_MSG_REQUEST)
		error = take_extended(hub, head, port_id);
	else
		error = -EOPNOTSUPP;
	tlshub_unlock(hub);
	return error;
}

/* Not netlink_rcv_skb(): it takes messages of type 0 for its own. */
static void input(struct sk_buff *skb)
{
	struct tlshub_hub *hub = net_generic(sock_net(skb->sk), tlshub_net_id);
	const struct nlmsghdr *head;
	int len = skb->len, error;

	for (head = nlmsg_hdr(skb); nlmsg_ok(head, len); head = nlmsg_next(head, &len)) {
		error = take(hub, skb, head);
		if (error)
			netlink_ack(skb, (struct nlmsghdr *)head, error, NULL);
	}
}

int tlshub_requests_init(struct tlshub_hub *hub)
{
	struct netlink_kernel_cfg config = {.input = input};

	hub->netlink = netlink_kernel_create(hub->net, TLSHUB_NETLINK_PROTOCOL, &config);
	/* Somebody else serves this protocol here, or there is no memory. */
	return hub->netlink ? 0 : -EADDRINUSE;
}

void tlshub_requests_exit(struct tlshub_hub *hub)
{
	netlink_kernel_release(hub->netlink);
}

/* A socket is gone: its requests wait for nobody, and its port id may soon be another's. */
static int released(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct tlshub_hub *hub;

	if (event != NETLINK_URELEASE || notify->protocol != TLSHUB_NETLINK_PROTOCOL)
		return NOTIFY_DONE;
	hub = net_generic(notify->net, tlshub_net_id);
	tlshub_lock(hub);
	tlshub_flow_cancel(hub, notify->portid, 0);
	tlshub_unlock(hub);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {.notifier_call = released};

int tlshub_requests_register(void)
{
	return netlink_register_notifier(&notifier);
}

void tlshub_requests_unregister(void)
{
	netlink_unregister_notifier(&notifier);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's state in one network namespace, a hub, and all that it is made of.
 *
 * One mutex, `hub->lock`, is over everything here. Nothing runs in
 * interrupts: datagrams are read from the socket by a worker, not in its callback, so that every
 * step may sleep and none needs a second lock; what takes long, public-key arithmetic, is done by
 * another worker without the lock (handshake.c). A key costs two datagrams of a hundred bytes and
 * some hashes, and its connection waits for a round trip of the network anyway: what per-CPU queues
 * and lockless tables would gain is far below that.
 */
#ifndef TLSHUB_HUB_H
#define TLSHUB_HUB_H

#include <linux/in6.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "noise.h"
#include "window.h"
#include "wire.h"

struct tlshub_hub;
struct tlshub_peer;
struct tlshub_flow;

/*
 * ---- clock.c: what is to be done later. Times are of CLOCK_BOOTTIME, in ns: they go on in
 * suspend.
 */

struct tlshub_timer {
	struct rb_node node;
	u64 at;
	void (*run)(struct tlshub_hub *hub, struct tlshub_timer *timer);
};

u64 tlshub_now(void);
void tlshub_timer_init(struct tlshub_timer *timer,
		       void (*run)(struct tlshub_hub *hub, struct tlshub_timer *timer));
/* Sets it, also when it is set already. */
void tlshub_timer_set(struct tlshub_hub *hub, struct tlshub_timer *timer, u64 at);
void tlshub_timer_stop(struct tlshub_hub *hub, struct tlshub_timer *timer);
void tlshub_clock_init(struct tlshub_hub *hub);
/* Without the lock, after hub->ending is set. */
void tlshub_clock_exit(struct tlshub_hub *hub);

/* ---- network.c: which addresses are whose. */

struct tlshub_prefix {
	struct in6_addr address; /* IPv4 mapped; zeros after the prefix */
	u32 length;		 /* 0 to 128 */
};

struct tlshub_network {
	struct rhash_head node;
	struct tlshub_prefix prefix;
	struct tlshub_peer *peer; /* NULL: this node's */
	struct list_head list;	  /* of its owner */
};

struct tlshub_networks {
	struct rhashtable table;
	unsigned int used[129]; /* how many prefixes there are of each length */
	DECLARE_BITMAP(lengths, 129);
};

int tlshub_networks_init(struct tlshub_networks *networks);
void tlshub_networks_exit(struct tlshub_networks *networks);
/* Gives the prefix to @peer (NULL: this node), whosever it was; @list is that of the owner. */
int tlshub_network_add(struct tlshub_networks *networks, const struct tlshub_prefix *prefix,
		       struct tlshub_peer *peer, struct list_head *list);
void tlshub_networks_clear(struct tlshub_networks *networks, struct list_head *list);
/* The longest prefix that has the address, or NULL. */
struct tlshub_network *tlshub_network_find(struct tlshub_networks *networks,
					   const u8 address[TLSHUB_ADDRESS_LEN]);

/* As people write it: 10.0.0.1, not ::ffff:10.0.0.1. */
#define TLSHUB_ADDRESS_TEXT 48
const char *tlshub_address_text(const u8 address[TLSHUB_ADDRESS_LEN],
				char text[TLSHUB_ADDRESS_TEXT]);

/* ---- endpoint.c: the UDP socket. */

struct tlshub_endpoint {
	struct in6_addr address; /* IPv4 mapped */
	__be16 port;
	u32 scope;
};

int tlshub_endpoint_open(struct tlshub_hub *hub, u16 port);
void tlshub_endpoint_close(struct tlshub_hub *hub);
int tlshub_endpoint_send(struct tlshub_hub *hub, const struct tlshub_endpoint *to, void *data,
			 size_t len);
/* The length of a datagram, which may be more than @size, or a negative errno; -EAGAIN: none. */
int tlshub_endpoint_receive(struct tlshub_hub *hub, struct tlshub_endpoint *from, void *data,
			    size_t size);

/* ---- index.c: sessions and handshakes by the numbers that are in their messages. */

struct tlshub_index {
	struct rhash_head node;
	u32 number;
	enum { TLSHUB_INDEX_HANDSHAKE, TLSHUB_INDEX_SESSION } kind;
};

/* Under its number, or a new one if that is 0. */
int tlshub_index_add(struct tlshub_hub *hub, struct tlshub_index *index);
void tlshub_index_remove(struct tlshub_hub *hub, struct tlshub_index *index);
struct tlshub_index *tlshub_index_find(struct tlshub_hub *hub, u32 number);
int tlshub_indices_init(struct tlshub_hub *hub);
void tlshub_indices_exit(struct tlshub_hub *hub);

/* ---- cookie.c: which first messages are worth the arithmetic. */

struct tlshub_cookies {
	u8 mac1_key[TLSHUB_HASH_LEN]; /* of messages to us */
	u8 seal_key[TLSHUB_HASH_LEN]; /* of cookies from us */
	u8 secret[TLSHUB_HASH_LEN];   /* cookies are made with */
	u64 secret_until;
	u64 loaded_until;
	siphash_key_t hash_key;
	u64 *buckets; /* for each hash of an address, when its rate is used up; NULL until needed */
};

/* What a peer's cookie is kept in. */
struct tlshub_cookie {
	u8 cookie[TLSHUB_MAC_LEN];
	u64 until;		      /* 0: there is none */
	u8 last_mac1[TLSHUB_MAC_LEN]; /* of the message a cookie may answer */
	bool sent;
};

enum tlshub_verdict {
	TLSHUB_PASS,
	TLSHUB_DROP_MAC,
	TLSHUB_DROP_COOKIE, /* one is to be sent */
	TLSHUB_DROP_RATE,
};

void tlshub_cookies_set_identity(struct tlshub_cookies *cookies,
				 const u8 public[CURVE25519_KEY_SIZE]);
void tlshub_cookies_exit(struct tlshub_cookies *cookies);
/* Of a first or second message of @len bytes, which ends with its macs. */
enum tlshub_verdict tlshub_cookies_check(struct tlshub_cookies *cookies, const void *message,
					 size_t len, const struct tlshub_endpoint *from,
					 bool loaded);
void tlshub_cookies_answer(struct tlshub_cookies *cookies, const void *message, size_t len,
			   const struct tlshub_endpoint *to, __le32 receiver,
			   struct tlshub_cookie_message *answer);
void tlshub_cookie_sign(struct tlshub_cookie *cookie, const u8 remote[CURVE25519_KEY_SIZE],
			void *message, size_t len);
bool tlshub_cookie_take(struct tlshub_cookie *cookie, const u8 remote[CURVE25519_KEY_SIZE],
			const struct tlshub_cookie_message *message);

/* ---- session.c: what a handshake gives, until it is renewed. */

struct tlshub_session {
	struct tlshub_index index;
	struct tlshub_timer timer; /* its end */
	struct tlshub_peer *peer;
	u32 remote_index;
	u8 instance[TLSHUB_INSTANCE_LEN]; /* the peer's */
	bool initiator;
	bool used;     /* a key was announced over it, by either side */
	bool renewing; /* it was looked at whether it is to be renewed */
	u64 since;
	u64 next_counter;
	u64 next_number; /* of keys */
	struct tlshub_window counters;
	struct tlshub_window numbers;
	struct tlshub_keys keys;
};

/* @number: of the handshake that we began, which it takes over; 0: we answered */
struct tlshub_session *tlshub_session_new(struct tlshub_hub *hub, struct tlshub_peer *peer,
					  u32 number);
void tlshub_session_free(struct tlshub_hub *hub, struct tlshub_session *session);
/* Whether it may take new keys: true up to its end. */
bool tlshub_session_open(const struct tlshub_session *session);
/* Whether it is time for the next one. */
bool tlshub_session_worn(const struct tlshub_session *session);
void tlshub_session_master_key(const struct tlshub_session *session, bool ours, u64 number,
			       const struct tlshub_tuple *tuple,
			       u8 master_key[TLSHUB_MASTER_KEY_LEN]);
/* Items leave with tlshub_session_flush(), or when as many are there as a datagram holds. */
void tlshub_session_send(struct tlshub_hub *hub, struct tlshub_session *session,
			 const struct tlshub_item *item);
void tlshub_session_flush(struct tlshub_hub *hub);
/* A message without items, which tells the peer that the session is there. */
void tlshub_session_confirm(struct tlshub_hub *hub, struct tlshub_session *session);
/*
 * The number of items, which are in @items then, or a negative counter (enum tlshub_counter_attr)
 * of why it is dropped.
 */
int tlshub_session_decrypt(struct tlshub_session *session, const void *message, size_t len,
			   struct tlshub_item *items);

struct tlshub_outbox {
	struct tlshub_session *session;
	unsigned int count;
	struct tlshub_item items[TLSHUB_ITEMS_MAX];
};

/* ---- peer.c: another node. */

struct tlshub_handshake {
	struct tlshub_index index;
	struct tlshub_peer *peer;
	struct tlshub_noise noise;
};

struct tlshub_peer {
	struct kref refs;
	struct tlshub_hub *hub;
	bool removed;
	struct rhash_head name_node, key_node;
	struct list_head list; /* of the hub */
	char name[TLSHUB_NAME_LEN + 1];
	u8 public_key[CURVE25519_KEY_SIZE];
	u8 preshared_key[TLSHUB_KEY_LEN];
	struct tlshub_endpoint endpoint;
	bool has_endpoint;
	struct list_head networks;

	/* a handshake that we began */
	bool shaking; /* it is under way: `begin` or `timer` goes on with it */
	unsigned int tries;
	struct list_head begin; /* of the hub: a first message is to be made */
	struct tlshub_timer timer;
	struct tlshub_handshake *handshake; /* the last first message */
	u64 last_begun;
	u64 last_sent_timestamp;
	struct tlshub_cookie cookie;

	/* handshakes that it began */
	u8 last_time[TLSHUB_TIME_LEN];
	u64 last_answered;
	u64 last_received; /* something over a session */

	/* `next`: we answered, and wait for its first message */
	struct tlshub_session *current_session, *previous, *next;
	bool known; /* a key was made with it before */

	struct list_head flows;
	unsigned int starting, taken;
	u64 handshakes, starts, keys_taken, sent, received;
};

/* @error: -EEXIST: name or key is another one's */
struct tlshub_peer *tlshub_peer_add(struct tlshub_hub *hub, const char *name,
				    const u8 public_key[CURVE25519_KEY_SIZE], int *error);
int tlshub_peer_set_key(struct tlshub_peer *peer, const u8 public_key[CURVE25519_KEY_SIZE]);
void tlshub_peer_set_preshared(struct tlshub_peer *peer, const u8 preshared_key[TLSHUB_KEY_LEN]);
void tlshub_peer_remove(struct tlshub_peer *peer);
struct tlshub_peer *tlshub_peer_by_name(struct tlshub_hub *hub, const char *name);
struct tlshub_peer *tlshub_peer_by_key(struct tlshub_hub *hub,
				       const u8 public_key[CURVE25519_KEY_SIZE]);
void tlshub_peer_get(struct tlshub_peer *peer);
void tlshub_peer_put(struct tlshub_peer *peer);
int tlshub_peers_init(struct tlshub_hub *hub);
void tlshub_peers_exit(struct tlshub_hub *hub);
/* Ends sessions and handshakes of the peer, without a word to it. */
void tlshub_peer_forget_sessions(struct tlshub_peer *peer);
void tlshub_peer_goodbye(struct tlshub_peer *peer);
/* The session that new keys are announced over, or NULL. */
struct tlshub_session *tlshub_peer_session(struct tlshub_peer *peer);
/* A new session takes the place of the present one. */
void tlshub_peer_use_session(struct tlshub_peer *peer, struct tlshub_session *session);
void tlshub_peer_moved(struct tlshub_peer *peer, const struct tlshub_endpoint *from);

/* ---- handshake.c: from no session to a session. */

struct tlshub_queued {
	struct list_head list;
	struct tlshub_endpoint from;
	unsigned int len;
	u8 message[sizeof(struct tlshub_first)];
};

/* Begins a handshake, unless one is under way. */
void tlshub_handshake_begin(struct tlshub_peer *peer);
void tlshub_handshake_stop(struct tlshub_peer *peer);
void tlshub_handshake_timer(struct tlshub_hub *hub, struct tlshub_timer *timer);
/* A first or second message came. Called by the worker that reads the socket. */
void tlshub_handshake_received(struct tlshub_hub *hub, const struct tlshub_endpoint *from,
			       const void *message, size_t len);
void tlshub_handshake_cookie(struct tlshub_hub *hub, const struct tlshub_cookie_message *message);
void tlshub_handshakes_set_clock(void);
void tlshub_handshakes_init(struct tlshub_hub *hub);
/* Without the lock, after hub->ending is set. */
void tlshub_handshakes_exit(struct tlshub_hub *hub);

/* ---- channel.c: what comes from other nodes. */

void tlshub_channel_init(struct tlshub_hub *hub);
void tlshub_channel_exit(struct tlshub_hub *hub);

/* ---- flow.c: keys of connections. */

struct tlshub_flow_name {
	u8 client_address[TLSHUB_ADDRESS_LEN];
	u8 server_address[TLSHUB_ADDRESS_LEN];
	__be16 client_port;
	__be16 server_port;
	u8 server; /* our side: 0 the client's, 1 the server's */
	u8 zero[3];
};

/* Requests that wait, in all. */
#define TLSHUB_WAITERS_MAX 65536
#define TLSHUB_WAITER_BUCKETS 64

enum tlshub_waiter_kind {
	TLSHUB_WAITS_START4, /* a public START */
	TLSHUB_WAITS_START,
	TLSHUB_WAITS_FETCH,
};

/* A request that is answered later. */
struct tlshub_waiter {
	struct list_head list;	   /* of the flow */
	struct hlist_node by_port; /* of the hub */
	struct tlshub_timer timer; /* FETCH: when it is answered at the latest */
	struct tlshub_flow *flow;
	u32 port_id, sequence;
	u32 ident;
	enum tlshub_waiter_kind kind;
	bool wants_key;
};

struct tlshub_flow {
	struct rhash_head node;
	struct tlshub_flow_name name;
	u32 ident;
	enum tlshub_flow_state state;
	struct tlshub_peer *peer; /* NULL: expected, or of this node alone */
	struct list_head peer_list;
	struct list_head waiters;
	unsigned int waiter_count;
	struct tlshub_timer timer;
	u64 since, deadline;
	/* STARTING: how often it was announced, over which session, as which number */
	unsigned int tries;
	u32 session_index; /* 0: over none yet */
	u64 number;
	u8 master_key[TLSHUB_MASTER_KEY_LEN];
};

/* One who asks. */
struct tlshub_asker {
	u32 port_id, sequence;
	enum tlshub_waiter_kind kind;
	bool wants_key;
};

int tlshub_flows_init(struct tlshub_hub *hub);
void tlshub_flows_exit(struct tlshub_hub *hub);
void tlshub_flow_start(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, u32 timeout_ms,
		       const struct tlshub_asker *asker);
/* @wait_ms: 0: answer at once */
void tlshub_flow_fetch(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, bool server,
		       u32 wait_ms, const struct tlshub_asker *asker);
/* Public FETCH. */
void tlshub_flow_fetch4(struct tlshub_hub *hub, const struct tlshub_tuple *tuple, bool server,
			u32 port_id, u32 sequence);
/* Requests of the socket are not answered any more; @sequence 0: none of them. */
void tlshub_flow_cancel(struct tlshub_hub *hub, u32 port_id, u32 sequence);
/* The peer announces a key, or says what became of ours. */
void tlshub_flow_announced(struct tlshub_session *session, const struct tlshub_item *item);
void tlshub_flow_acknowledged(struct tlshub_session *session, const struct tlshub_item *item);
void tlshub_flow_refused(struct tlshub_session *session, const struct tlshub_item *item);
/* There is a session: what waited for it is announced. */
void tlshub_flow_session(struct tlshub_peer *peer);
void tlshub_flow_peer_removed(struct tlshub_peer *peer);

/* ---- request.c: netlink protocol 31. */

int tlshub_requests_init(struct tlshub_hub *hub);
void tlshub_requests_exit(struct tlshub_hub *hub);
int tlshub_requests_register(void);
void tlshub_requests_unregister(void);
/* 0, or the asker has no room or is gone. @key may be NULL. */
int tlshub_answer_start4(struct tlshub_hub *hub, u32 port_id, u32 sequence, u8 type,
			 const char *text);
int tlshub_answer_fetch4(struct tlshub_hub *hub, u32 port_id, u32 sequence, s32 status,
			 const u8 *key);
int tlshub_answer(struct tlshub_hub *hub, u32 port_id, u32 sequence, u8 type, s32 status,
		  const u8 *key, const char *text);

/* ---- control.c: generic netlink. */

int tlshub_control_register(void);
void tlshub_control_unregister(void);
/* @peer, @endpoint and @public_key may be NULL. */
void tlshub_event(struct tlshub_hub *hub, enum tlshub_event event, const struct tlshub_peer *peer,
		  const struct tlshub_endpoint *endpoint, const u8 *public_key);

/* ---- main.c */

struct tlshub_hub {
	struct net *net;
	struct mutex lock;
	bool ending;

	struct tlshub_identity identity;
	bool has_identity;
	u8 instance[TLSHUB_INSTANCE_LEN];
	u32 identity_serial; /* another one with each private key */
	struct list_head networks_own;

	u16 port; /* 0: the socket is closed */
	struct socket *socket;
	bool ipv6;			     /* the socket's family */
	void (*data_ready)(struct sock *sk); /* the socket's own */
	u32 lifetime_ms, start_ms;

	struct rhashtable peers_by_name, peers_by_key, flows, indices;
	struct list_head peers;
	unsigned int peer_count, flow_count, taken_count, waiter_count;
	u32 peers_serial;				  /* for dumps */
	struct hlist_head waiters[TLSHUB_WAITER_BUCKETS]; /* by port id */
	struct tlshub_networks networks;

	struct rb_root_cached timers;
	struct delayed_work clock_work;

	struct work_struct receive_work;
	u8 receive_buffer[2048]; /* of receive_work */
	struct tlshub_item receive_items[TLSHUB_ITEMS_MAX];
	struct tlshub_outbox outbox;

	struct work_struct handshake_work;
	struct list_head begins; /* peers that are to be sent a first message */
	struct list_head queue;	 /* of handshakes that came */
	unsigned int queue_length;
	struct tlshub_cookies cookies;
	u64 last_event[TLSHUB_EVENT_UNDER_LOAD + 1];

	struct sock *netlink;
	u64 counters[TLSHUB_A_COUNTER_MAX + 1];
};

extern struct workqueue_struct *tlshub_workqueue;
extern unsigned int tlshub_net_id;
extern unsigned int tlshub_max_keys, tlshub_renew_seconds, tlshub_renew_keys;

static inline void tlshub_lock(struct tlshub_hub *hub)
{
	mutex_lock(&hub->lock);
}

static inline void tlshub_unlock(struct tlshub_hub *hub)
{
	tlshub_session_flush(hub);
	mutex_unlock(&hub->lock);
}

static inline void tlshub_count(struct tlshub_hub *hub, enum tlshub_counter_attr counter)
{
	hub->counters[counter]++;
}

#define TLSHUB_MS (1000ull * 1000)
#define TLSHUB_SECOND_NS (1000 * TLSHUB_MS)

#endif /* TLSHUB_HUB_H */

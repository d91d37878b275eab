/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What user space and the module say to each other: the messages of netlink protocol 31 (requests for keys), and the generic netlink
 * family "tlshub" (control). tlshub.yaml beside this folder has the family as a specification; docs/TLSHUB_MODULE.md explains both.
 *
 * Numbers are in the byte order of the machine, except where __be says network order.
 */
#ifndef _UAPI_TLSHUB_H
#define _UAPI_TLSHUB_H

#include <linux/netlink.h>
#include <linux/types.h>

/* ------------------------------------------------------------------------------------------------------ netlink protocol 31: keys */

#define TLSHUB_NETLINK_PROTOCOL 31

#define TLSHUB_MASTER_KEY_LEN 32
#define TLSHUB_ADDRESS_LEN 16

/* The public messages, of nlmsg_type 0: IPv4, one request under way on a socket. docs/TLSHUB_API.md describes them. */

enum tlshub_opcode {
	TLSHUB_OP_INIT = 0,
	TLSHUB_OP_START = 1,
	TLSHUB_OP_FETCH = 2,
	/* only as TLSHUB_MSG_REQUEST: takes back the request of the same socket whose nlmsg_seq is `cancelled` */
	TLSHUB_OP_CANCEL = 3,
};

struct tlshub_request4 {
	__be32 client_address;
	__be32 server_address;
	__be16 client_port;
	__be16 server_port;
	__s8 opcode;
	__u8 server;			/* 1: asked on the server's side */
	__u8 padding[2];
};

enum tlshub_reply_type {
	TLSHUB_REPLY_FIRST = 0x01,	/* START: done, the first handshake of these two nodes */
	TLSHUB_REPLY_DONE = 0x02,	/* START: done */
	TLSHUB_REPLY_FAILED = 0x03,	/* START: failed, with a text */
	TLSHUB_REPLY_LOG = 0x04,	/* this module sends none */
	TLSHUB_REPLY_CONNECTED = 0x05,	/* START: there is a key for this tuple already */
	TLSHUB_REPLY_READY = 0x07,	/* INIT */
	TLSHUB_REPLY_KEY = 0x08,	/* FETCH; the public messages name no type for it */
};

#define TLSHUB_TEXT_LEN 125

/* Begins right after the nlmsghdr. For FETCH: __s32 status, then the master key, without alignment. */
struct tlshub_reply4 {
	__u8 type;
	char text[TLSHUB_TEXT_LEN];
};

enum tlshub_key_status {
	TLSHUB_KEY_OK = 0,
	TLSHUB_KEY_NONE = -1,
	TLSHUB_KEY_EXPIRED = -2,
};

/*
 * Extensions. A client learns of them by the answer to INIT: at TLSHUB_CAPABILITIES_OFFSET of it, counted from its nlmsghdr and after the
 * NUL that ends the text, is this struct. Who looks at the text alone does not see it; a module without extensions sends no such bytes.
 */
#define TLSHUB_CAPABILITIES_OFFSET 80
#define TLSHUB_CAPABILITIES_MAGIC 0x78485354u	/* "TSHx" as a little-endian machine stores it */

struct tlshub_capabilities {
	__u32 magic;
	__u32 features;			/* bits, see below */
	__u32 waiters;			/* requests that may wait at once in this network namespace */
	__u32 lifetime_ms;		/* for how long a key that nobody fetches is kept */
};

#define TLSHUB_FEATURE_IPV6 (1u << 0)	/* TLSHUB_MSG_REQUEST is served, with tuples of both families */
#define TLSHUB_FEATURE_MANY (1u << 1)	/* many requests on one socket: each answer repeats nlmsg_seq */
#define TLSHUB_FEATURE_WAIT (1u << 2)	/* TLSHUB_FLAG_WAIT */
#define TLSHUB_FEATURE_KEY (1u << 3)	/* TLSHUB_FLAG_KEY */
#define TLSHUB_FEATURE_IDENT (1u << 4)	/* tlshub_tuple.ident */

/* nlmsg_type of extended requests and of their answers. INIT is a public message only. */
#define TLSHUB_MSG_REQUEST 0x20
#define TLSHUB_MSG_REPLY 0x21

struct tlshub_tuple {
	__u8 client_address[TLSHUB_ADDRESS_LEN];	/* IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2) */
	__u8 server_address[TLSHUB_ADDRESS_LEN];
	__be16 client_port;
	__be16 server_port;
	/*
	 * Which of the connections that have this tuple one after the other: a number that both ends see, such as the client's initial
	 * sequence number. 0: any. A key for one is never given to a request that names another.
	 */
	__u32 ident;
};

/* FETCH: if there is no key yet, the answer comes when there is one, or after timeout_ms as TLSHUB_KEY_NONE. */
#define TLSHUB_FLAG_WAIT (1u << 0)
/* START: the answer that it is done, or that there is a key, brings the key along, as a FETCH would. */
#define TLSHUB_FLAG_KEY (1u << 1)

struct tlshub_request {
	__u8 opcode;			/* enum tlshub_opcode */
	__u8 server;			/* 1: asked on the server's side */
	__u16 flags;			/* TLSHUB_FLAG_; unknown ones are refused with EINVAL */
	__u32 timeout_ms;		/* FETCH with WAIT, START; 0: as long as the module would, at most 60000 */
	__u32 cancelled;		/* CANCEL: the nlmsg_seq; it is answered by none, and neither is the request */
	__u32 reserved;			/* 0 */
	struct tlshub_tuple tuple;
};

struct tlshub_reply {
	__u8 type;			/* enum tlshub_reply_type */
	__u8 reserved[3];
	__s32 status;			/* enum tlshub_key_status: whether `key` is one. START without TLSHUB_FLAG_KEY: TLSHUB_KEY_NONE */
	__u8 key[TLSHUB_MASTER_KEY_LEN];
	char text[TLSHUB_TEXT_LEN + 3];	/* why it failed, NUL-terminated */
};

/* ------------------------------------------------------------------------------------------------------- generic netlink: control */

#define TLSHUB_GENL_NAME "tlshub"
#define TLSHUB_GENL_VERSION 1
#define TLSHUB_GENL_MCGRP_EVENTS "events"

#define TLSHUB_KEY_LEN 32		/* Curve25519, private and public, and the pre-shared key */
#define TLSHUB_NAME_LEN 253		/* of a node, as in DNS */
#define TLSHUB_DEFAULT_PORT 9467	/* UDP */

/* All need CAP_NET_ADMIN in the user namespace of the network namespace. */
enum tlshub_cmd {
	TLSHUB_CMD_UNSPEC,
	TLSHUB_CMD_GET,			/* the node: TLSHUB_A_NODE_* */
	TLSHUB_CMD_SET,
	TLSHUB_CMD_PEER_GET,		/* one by its name, or all (dump): TLSHUB_A_PEER_* */
	TLSHUB_CMD_PEER_SET,		/* makes or changes the peer of this name */
	TLSHUB_CMD_PEER_DEL,
	TLSHUB_CMD_FLOW_GET,		/* all (dump): TLSHUB_A_FLOW_* */
	TLSHUB_CMD_EVENT,		/* to the multicast group: TLSHUB_A_EVENT_* */
	__TLSHUB_CMD_MAX
};
#define TLSHUB_CMD_MAX (__TLSHUB_CMD_MAX - 1)

/* A prefix of addresses: of a peer's pods, or of this node's. */
enum tlshub_network_attr {
	TLSHUB_A_NETWORK_UNSPEC,
	TLSHUB_A_NETWORK_ADDRESS,	/* binary, 4 or 16 bytes, network order */
	TLSHUB_A_NETWORK_PREFIX,	/* u8, 0 to 32 or 128 */
	__TLSHUB_A_NETWORK_MAX
};
#define TLSHUB_A_NETWORK_MAX (__TLSHUB_A_NETWORK_MAX - 1)

/* With SET and PEER_SET: the networks given take the place of all that there were. Else they are added. */
#define TLSHUB_SET_REPLACE_NETWORKS (1u << 0)
/* With PEER_SET: only change a peer that there is (ENOENT). */
#define TLSHUB_SET_UPDATE_ONLY (1u << 1)

enum tlshub_node_attr {
	TLSHUB_A_NODE_UNSPEC,
	TLSHUB_A_NODE_PRIVATE_KEY,	/* binary, 32; SET only; zeros remove it */
	TLSHUB_A_NODE_PUBLIC_KEY,	/* binary, 32; GET, when there is a private key */
	TLSHUB_A_NODE_LISTEN_PORT,	/* u16, UDP; 0: not listening; a private key alone means TLSHUB_DEFAULT_PORT */
	TLSHUB_A_NODE_FLAGS,		/* u32, SET: TLSHUB_SET_REPLACE_NETWORKS */
	TLSHUB_A_NODE_NETWORK,		/* nest of TLSHUB_A_NETWORK_, any number: the pods of this node */
	TLSHUB_A_NODE_LIFETIME_MS,	/* u32, 100 to 600000: for how long a key that nobody fetches is kept (60000) */
	TLSHUB_A_NODE_START_MS,		/* u32, 100 to 60000: after which a START has failed (4000) */
	TLSHUB_A_NODE_PEERS,		/* u32: how many there are */
	TLSHUB_A_NODE_FLOWS,		/* u32: how many keys there are or are being made */
	TLSHUB_A_NODE_WAITERS,		/* u32: requests that wait */
	TLSHUB_A_NODE_COUNTERS,		/* nest of TLSHUB_A_COUNTER_ */
	__TLSHUB_A_NODE_MAX
};
#define TLSHUB_A_NODE_MAX (__TLSHUB_A_NODE_MAX - 1)

/* u64 each, counted since the network namespace or the module is there. */
enum tlshub_counter_attr {
	TLSHUB_A_COUNTER_UNSPEC,
	TLSHUB_A_COUNTER_PAD,
	TLSHUB_A_COUNTER_STARTS,		/* STARTs that were done */
	TLSHUB_A_COUNTER_STARTS_FAILED,
	TLSHUB_A_COUNTER_KEYS_TAKEN,		/* keys that peers announced and were taken */
	TLSHUB_A_COUNTER_KEYS_FETCHED,
	TLSHUB_A_COUNTER_KEYS_EXPIRED,
	TLSHUB_A_COUNTER_HANDSHAKES,		/* of nodes, done, begun by either side */
	TLSHUB_A_COUNTER_HANDSHAKES_FAILED,	/* begun here and given up */
	TLSHUB_A_COUNTER_COOKIES_SENT,
	TLSHUB_A_COUNTER_SENT,			/* datagrams */
	TLSHUB_A_COUNTER_SEND_ERRORS,
	TLSHUB_A_COUNTER_RECEIVED,		/* datagrams; those below are of them */
	TLSHUB_A_COUNTER_DROP_MALFORMED,	/* no message of this protocol */
	TLSHUB_A_COUNTER_DROP_MAC,		/* a first message from who does not know our public key */
	TLSHUB_A_COUNTER_DROP_COOKIE,		/* under load, without a cookie: it was sent one */
	TLSHUB_A_COUNTER_DROP_RATE,		/* under load, too many from one address */
	TLSHUB_A_COUNTER_DROP_QUEUE,		/* too many handshakes wait */
	TLSHUB_A_COUNTER_DROP_UNKNOWN_PEER,	/* a handshake that says it is of a key that is none of our peers' */
	TLSHUB_A_COUNTER_DROP_FORGED,		/* a handshake that cannot be opened */
	TLSHUB_A_COUNTER_DROP_REPLAYED_HANDSHAKE,	/* a first message that is not newer than the last one */
	TLSHUB_A_COUNTER_DROP_SESSION,		/* of no session that there is */
	TLSHUB_A_COUNTER_DROP_UNDECRYPTABLE,
	TLSHUB_A_COUNTER_DROP_REPLAYED,		/* of a session, a second time or too late */
	TLSHUB_A_COUNTER_REFUSED_NETWORK,	/* keys announced for addresses that are not the peer's or not ours */
	TLSHUB_A_COUNTER_REFUSED_ROOM,		/* keys announced for which there was no room */
	__TLSHUB_A_COUNTER_MAX
};
#define TLSHUB_A_COUNTER_MAX (__TLSHUB_A_COUNTER_MAX - 1)

enum tlshub_peer_attr {
	TLSHUB_A_PEER_UNSPEC,
	TLSHUB_A_PEER_PAD,
	TLSHUB_A_PEER_NAME,		/* string, 1 to TLSHUB_NAME_LEN bytes: the node's */
	TLSHUB_A_PEER_PUBLIC_KEY,	/* binary, 32; with a new peer it has to be there. Another key ends the sessions of the old one */
	TLSHUB_A_PEER_PRESHARED_KEY,	/* binary, 32; PEER_SET only; zeros remove it */
	TLSHUB_A_PEER_ENDPOINT,		/* binary, struct sockaddr_in or sockaddr_in6; without one, only the peer can begin */
	TLSHUB_A_PEER_FLAGS,		/* u32, PEER_SET: TLSHUB_SET_ */
	TLSHUB_A_PEER_NETWORK,		/* nest of TLSHUB_A_NETWORK_, any number: the peer's pods. A prefix belongs to whom it was given last */
	TLSHUB_A_PEER_STATE,		/* u8, enum tlshub_peer_state */
	TLSHUB_A_PEER_SESSION_AGE_MS,	/* u64, with TLSHUB_PEER_SESSION */
	TLSHUB_A_PEER_HANDSHAKES,	/* u64 */
	TLSHUB_A_PEER_STARTS,		/* u64: keys that were made here */
	TLSHUB_A_PEER_KEYS_TAKEN,	/* u64: keys that it announced */
	TLSHUB_A_PEER_PENDING,		/* u32: STARTs under way */
	TLSHUB_A_PEER_SENT,		/* u64: datagrams */
	TLSHUB_A_PEER_RECEIVED,		/* u64: datagrams that were authentic */
	__TLSHUB_A_PEER_MAX
};
#define TLSHUB_A_PEER_MAX (__TLSHUB_A_PEER_MAX - 1)

enum tlshub_peer_state {
	TLSHUB_PEER_IDLE = 0,		/* no session, none needed */
	TLSHUB_PEER_HANDSHAKE = 1,	/* no session, a handshake is under way */
	TLSHUB_PEER_SESSION = 2,
};

enum tlshub_flow_attr {
	TLSHUB_A_FLOW_UNSPEC,
	TLSHUB_A_FLOW_PAD,
	TLSHUB_A_FLOW_CLIENT_ADDRESS,	/* binary, 4 or 16 bytes, network order */
	TLSHUB_A_FLOW_SERVER_ADDRESS,
	TLSHUB_A_FLOW_CLIENT_PORT,	/* u16 */
	TLSHUB_A_FLOW_SERVER_PORT,	/* u16 */
	TLSHUB_A_FLOW_IDENT,		/* u32 */
	TLSHUB_A_FLOW_SERVER,		/* u8: 1, of the server's side */
	TLSHUB_A_FLOW_STATE,		/* u8, enum tlshub_flow_state */
	TLSHUB_A_FLOW_PEER,		/* string, the node; absent while nobody has announced it */
	TLSHUB_A_FLOW_AGE_MS,		/* u64, in this state */
	TLSHUB_A_FLOW_WAITERS,		/* u32: requests that wait for it */
	__TLSHUB_A_FLOW_MAX
};
#define TLSHUB_A_FLOW_MAX (__TLSHUB_A_FLOW_MAX - 1)

enum tlshub_flow_state {
	TLSHUB_FLOW_EXPECTED = 0,	/* requests wait for it, that is all */
	TLSHUB_FLOW_STARTING = 1,	/* the peer has not acknowledged it yet */
	TLSHUB_FLOW_READY = 2,		/* its key can be fetched */
	TLSHUB_FLOW_EXPIRED = 3,	/* its key is gone, unfetched */
};

enum tlshub_event_attr {
	TLSHUB_A_EVENT_UNSPEC,
	TLSHUB_A_EVENT_TYPE,		/* u32, enum tlshub_event */
	TLSHUB_A_EVENT_PEER,		/* string, the node */
	TLSHUB_A_EVENT_ENDPOINT,	/* binary, struct sockaddr_in or sockaddr_in6 */
	TLSHUB_A_EVENT_PUBLIC_KEY,	/* binary, 32 */
	__TLSHUB_A_EVENT_MAX
};
#define TLSHUB_A_EVENT_MAX (__TLSHUB_A_EVENT_MAX - 1)

/* The last two say what somebody on the network did, so they come at most once a second. */
enum tlshub_event {
	TLSHUB_EVENT_SESSION = 1,	/* PEER, ENDPOINT: a new session with it */
	TLSHUB_EVENT_LOST = 2,		/* PEER: the session is over, or a handshake was given up */
	TLSHUB_EVENT_ROAMED = 3,	/* PEER, ENDPOINT: it is somewhere else now */
	TLSHUB_EVENT_UNKNOWN_PEER = 4,	/* PUBLIC_KEY, ENDPOINT: a handshake that says it is of a key that is none of our peers' */
	TLSHUB_EVENT_UNDER_LOAD = 5,	/* handshakes need cookies now */
};

#endif /* _UAPI_TLSHUB_H */

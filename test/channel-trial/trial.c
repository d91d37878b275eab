// SPDX-License-Identifier: Apache-2.0
// trial OBJECT-FOLDER [SCENARIO...]: asks a kernel what docs/CHANNEL.md says that it does. Root, in a virtual machine of its own.
#define _GNU_SOURCE
#include "trial.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int setting_fd, counters_fd, notes_fd, ns_a, ns_b;
static struct setting setting = {.rule = RULE_UNTIL_ACKNOWLEDGED, .epoch = 0xe10c01};
static char **chosen; /* beginnings of names */

static void die(const char *what)
{
	perror(what);
	exit(1);
}
static void sh(const char *command)
{
	if (system(command))
		printf("# failed: %s\n", command);
}
static void in_ns(int fd)
{
	if (setns(fd, CLONE_NEWNET))
		die("setns");
}
static void sysctl(int fd, const char *name, const char *value)
{
	char path[200];
	FILE *f;

	in_ns(fd);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "w");
	if (!f || fputs(value, f) < 0 || fclose(f))
		printf("# sysctl %s: %s\n", name, strerror(errno));
}
static void apply(void)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(setting_fd, &zero, &setting, 0))
		die("setting");
}
static struct note note(__u32 at)
{
	struct note n = {0};

	if (at < NOTES)
		bpf_map_lookup_elem(notes_fd, &at, &n);
	return n;
}
static __u32 noted(void)
{
	__u32 at = 1, n = 0;

	bpf_map_lookup_elem(counters_fd, &at, &n);
	return n < NOTES ? n : NOTES;
}
static void begin(void)
{
	__u32 at, none = 0, used = noted();
	struct note empty = {0};

	for (at = 0; at < used; at++)
		bpf_map_update_elem(notes_fd, &at, &empty, 0);
	at = 1;
	bpf_map_update_elem(counters_fd, &at, &none, 0);
	setting.wire = 1;
	apply();
}
static void wait_ms(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static int is_chosen(const char *name)
{
	for (char **c = chosen; c && *c; c++)
		if (!strncmp(*c, name, strlen(*c)))
			return 1;
	return !chosen;
}

struct plan {
	const char *name;
	int six;
	const char *to;	 /* another address than the server's */
	int port;	 /* another port */
	int send;	 /* bytes right behind connect() */
	int later;	 /* ms to wait before bytes are sent, when none are right behind */
	int quickack_off, client_defer, server_defer, backlog, ms, extra;
	int rule;
	__u32 lose[4], strip;
	int listener; /* one that is there already */
	int server_first; /* the server speaks first */
};

static struct sockaddr_storage address(int six, const char *text, int port, socklen_t *len)
{
	struct sockaddr_storage s = {0};
	struct sockaddr_in *v4 = (void *)&s;
	struct sockaddr_in6 *v6 = (void *)&s;

	if (six) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &v6->sin6_addr);
		*len = sizeof(*v6);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		inet_pton(AF_INET, text, &v4->sin_addr);
		*len = sizeof(*v4);
	}
	return s;
}
static int listener(int six, int port, int backlog, int defer)
{
	int one = 1, fd;
	socklen_t len;
	struct sockaddr_storage at = address(six, six ? "fd77::2" : "10.77.0.2", port, &len);

	in_ns(ns_b);
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (defer)
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
	if (fd < 0 || bind(fd, (void *)&at, len) || listen(fd, backlog))
		die("listen");
	return fd;
}
static int client(const struct plan *p, int port)
{
	int zero = 0, fd;
	socklen_t len;
	struct sockaddr_storage to = address(p->six, p->to ? p->to : p->six ? "fd77::2" : "10.77.0.2", p->port ? p->port : port, &len);

	in_ns(ns_a);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (p->quickack_off)
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof(zero));
	if (p->client_defer)
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &p->client_defer, sizeof(int));
	if (connect(fd, (void *)&to, len) && errno != EINPROGRESS)
		die("connect");
	return fd;
}

static int port_now = 7000;
static int problems;

static const char *flags_of(__u32 f)
{
	static char text[8];

	snprintf(text, sizeof(text), "%s%s%s%s", f & 2 ? "S" : "", f & 1 ? "F" : "", f & 4 ? "R" : "", f & 8 ? "P" : "");
	return text;
}

/* expect: 1 both agree on the channel, 0 both in-band, -1 they disagree. Returns the passive note's number or -1. */
static int run(struct plan p, int expect)
{
	static char data[1 << 20];
	int port = port_now++, ls, fd, got = -1, seen_active = 0, seen_passive = 0, sent = 0, verdict, all = 0, clear = 0, gso_bad = 0;
	struct note a = {0}, b = {0}, n;
	struct pollfd pfd;
	char line[4000] = "", piece[80];
	long waited = 0;
	int ms = p.ms ? p.ms : 2000, read_bytes = 0;

	if (!is_chosen(p.name))
		return 0;
	setting.rule = p.rule;
	setting.strip = p.strip;
	memcpy(setting.lose, p.lose, sizeof(p.lose));
	ls = p.listener ? p.listener : listener(p.six, port, p.backlog ? p.backlog : 16, p.server_defer);
	begin();
	fd = client(&p, port);
	if (p.extra) { /* one more, that fills the queue */
		wait_ms(300);
	}
	pfd = (struct pollfd){.fd = fd, .events = POLLOUT};
	poll(&pfd, 1, ms);
	if (p.send) {
		sent = write(fd, data, p.send);
	} else if (p.later) {
		wait_ms(p.later);
		sent = write(fd, data, 100);
	}
	for (; waited < ms && got < 0; waited += 20) {
		got = accept4(ls, NULL, NULL, SOCK_NONBLOCK);
		if (got < 0)
			wait_ms(20);
	}
	if (got >= 0) {
		if (p.server_first)
			write(got, data, 100);
		for (waited = 0; waited < ms && read_bytes < sent; waited += 20) {
			int r = read(got, data, sizeof(data));
			if (r > 0)
				read_bytes += r;
			else
				wait_ms(20);
		}
		if (p.send || p.later) {
			write(got, data, 100);
			wait_ms(100);
			write(fd, data, 200);
			wait_ms(100);
		}
	}
	wait_ms(60);
	{
		struct setting was;
		__u32 zero = 0;

		bpf_map_lookup_elem(setting_fd, &zero, &was);
		setting.proven = was.proven;
	}
	setting.wire = 0;
	memset(setting.lose, 0, sizeof(setting.lose));
	apply();
	for (__u32 i = 0; i < noted(); i++) {
		n = note(i);
		if (n.kind == NOTE_ACTIVE) {
			a = n;
			seen_active = 1;
		} else if (n.kind == NOTE_PASSIVE) {
			b = n;
			seen_passive = 1;
		} else if (n.kind == NOTE_NO_ROOM) {
			snprintf(piece, sizeof(piece), " NOROOM(%d)", n.result);
			strcat(line, piece);
		} else if (n.kind == NOTE_ANSWER && n.result != 2) {
			snprintf(piece, sizeof(piece), " answer(%d)", n.result);
			strcat(line, piece);
		} else if (n.kind == NOTE_WIRE) {
			if (n.gso && n.gso + n.options + 20 + (p.six ? 40 : 20) > 1500)
				gso_bad = 1;
			if (!n.back && !(n.flags & 2) && n.bytes)
				n.marker ? all++ : clear++;
			if (strlen(line) > 900)
				continue;
			snprintf(piece, sizeof(piece), " %s%s%u/%u%s%s", n.back ? "<" : ">", flags_of(n.flags), n.bytes, n.options,
				 n.marker == 13 ? "m13" : n.marker == 10 ? "m10" : n.marker == 8 ? "m8" : n.marker == 6 ? "m6" : n.marker ? "m?" : "",
				 n.lost == 1 ? "LOST" : n.lost ? "STRIPPED" : "");
			strcat(line, piece);
		}
	}
	verdict = !seen_active || !seen_passive	 ? -2
		  : a.what && b.what == a.what && b.epoch == a.epoch && b.number == a.number ? 1
		  : !a.what && !b.what				 ? 0
								 : -1;
	if (verdict != expect || (sent > 0 && read_bytes != sent && verdict != -2) || gso_bad)
		problems++;
	printf("%s %-26s v%d %s a{what %u n %u} b{what %u n %u found %d v1reader %d/%d} iss/irs %s srv-est +%ld ms, read %d of %d, data segs marked %d not %d%s\n    wire:%s\n",
	       verdict == expect ? "ok " : "NOT", p.name, p.six ? 6 : 4,
	       verdict == 1 ? "CHANNEL" : verdict == 0 ? "IN-BAND" : verdict == -1 ? "DISAGREE" : "NONE", a.what, a.number, b.what, b.number,
	       b.result, a.old, b.old, a.iss == b.irs && a.irs == b.iss ? "same" : "DIFFER", (long)(b.ns - a.ns) / 1000000, read_bytes, sent, all,
	       clear, gso_bad ? " GSO TOO LARGE" : "", line);
	fflush(stdout);
	close(fd);
	if (got >= 0)
		close(got);
	if (!p.listener)
		close(ls);
	return verdict;
}

static void both(struct plan p, int expect)
{
	for (p.six = 0; p.six < 2; p.six++)
		run(p, expect);
}

/* Many at once on both processors: is any number given twice? */
struct worker {
	pthread_t thread;
	int many, failed, port;
};
static void *connect_many(void *arg)
{
	struct worker *w = arg;
	socklen_t len;
	struct sockaddr_storage to = address(0, "10.77.0.2", w->port, &len);
	struct linger hard = {1, 0};

	in_ns(ns_a);
	for (int i = 0; i < w->many; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (void *)&to, len))
			w->failed++;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	return NULL;
}
static void *accept_many(void *arg)
{
	int ls = *(int *)arg, fd;

	for (;;) {
		fd = accept(ls, NULL, NULL);
		if (fd >= 0)
			close(fd);
		else if (errno == EAGAIN)
			poll(&(struct pollfd){.fd = ls, .events = POLLIN}, 1, 100);
		else
			return NULL;
	}
}
static void numbers(void)
{
	static unsigned char seen[65536];
	struct worker w[4] = {0};
	pthread_t acceptor;
	int port = port_now++, ls = listener(0, port, 512, 0), flows = 0, twice = 0;
	__u32 first = 0, at = 0;

	if (!is_chosen("numbers"))
		return;
	setting.wire = 0;
	setting.rule = RULE_UNTIL_ACKNOWLEDGED;
	begin();
	setting.wire = 0;
	apply();
	bpf_map_lookup_elem(counters_fd, &at, &first);
	pthread_create(&acceptor, NULL, accept_many, &ls);
	for (int i = 0; i < 4; i++) {
		w[i].many = 300;
		w[i].port = port;
		pthread_create(&w[i].thread, NULL, connect_many, &w[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(w[i].thread, NULL);
	for (__u32 i = 0; i < noted(); i++) {
		struct note n = note(i);

		if (n.kind != NOTE_ACTIVE || !n.what)
			continue;
		flows++;
		if (seen[n.number & 0xffff]++)
			twice++;
	}
	printf("%s numbers: %d flows of 4 threads, %d failed, %d numbers twice\n", twice || flows < 1000 ? "NOT" : "ok ", flows, w[0].failed + w[1].failed + w[2].failed + w[3].failed, twice);
	shutdown(ls, SHUT_RDWR);
}

static void attach_tc(struct bpf_object *o, int ns, const char *dev, const char *program, int to_ns)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	in_ns(ns);
	hook.ifindex = if_nametoindex(dev);
	opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(o, program));
	bpf_tc_hook_create(&hook);
	if (bpf_tc_attach(&hook, &opts))
		die("tc");
	(void)to_ns;
}

int main(int argc, char **argv)
{
	char path[5000], folder[4096];
	struct bpf_object *o, *it = NULL;
	struct bpf_program *prog;
	struct utsname u;
	int cg, procs, host, old4, old6;

	if (!realpath(argv[1], folder))
		die(argv[1]);
	argv[1] = folder;
	setvbuf(stdout, NULL, _IOLBF, 0);
	chosen = argc > 2 ? argv + 2 : NULL;
	uname(&u);
	printf("kernel %s\n", u.release);
	host = open("/proc/self/ns/net", O_RDONLY);
	sh("ip netns add ta && ip netns add tb && ip link add ea netns ta type veth peer name eb netns tb && "
	   "ip -n ta addr add 10.77.0.1/24 dev ea && ip -n tb addr add 10.77.0.2/24 dev eb && "
	   "ip -n ta addr add fd77::1/64 dev ea nodad && ip -n tb addr add fd77::2/64 dev eb nodad && "
	   "ip -n ta link set lo up && ip -n tb link set lo up && ip -n ta link set ea up && ip -n tb link set eb up && "
	   "ip -n ta route add 10.96.0.0/16 dev ea && ip -n ta neigh add 10.96.0.10 lladdr 02:00:00:00:00:01 dev ea");
	ns_a = open("/run/netns/ta", O_RDONLY);
	ns_b = open("/run/netns/tb", O_RDONLY);
	/* A cgroup of its own: nobody else is to carry the sketch's options. */
	if (chdir(access("/sys/fs/cgroup/unified", F_OK) ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"))
		die("cgroup2");
	mkdir("channel-trial", 0755);
	cg = open("channel-trial", O_RDONLY);
	procs = open("channel-trial/cgroup.procs", O_WRONLY);
	if (procs < 0 || write(procs, "0", 1) != 1)
		die("cgroup");
	snprintf(path, sizeof(path), "%s/trial.bpf.o", argv[1]);
	o = bpf_object__open(path);
	if (!o || bpf_object__load(o))
		die(path);
	setting_fd = bpf_object__find_map_fd_by_name(o, "setting");
	counters_fd = bpf_object__find_map_fd_by_name(o, "counters");
	notes_fd = bpf_object__find_map_fd_by_name(o, "notes");
	/* Listeners from before. */
	old4 = listener(0, 6999, 16, 0);
	old6 = listener(1, 6999, 16, 0);
	prog = bpf_object__find_program_by_name(o, "on_sock_ops");
	if (!bpf_program__attach_cgroup(prog, cg))
		die("sockops");
	attach_tc(o, ns_b, "eb", "there", 0);
	attach_tc(o, ns_a, "ea", "back", 0);
	setting.on = 1;
	apply();

	both((struct plan){.name = "plain", .rule = 1}, 1);
	both((struct plan){.name = "data-at-once", .send = 100, .rule = 1}, 1);
	both((struct plan){.name = "64k-at-once", .send = 65536, .rule = 1}, 1);
	both((struct plan){.name = "server-first", .server_first = 1, .later = 300, .rule = 1}, 1);
	both((struct plan){.name = "delayed-ack-silent", .quickack_off = 1, .rule = 1}, 1);
	both((struct plan){.name = "delayed-ack-data", .quickack_off = 1, .send = 100, .rule = 1}, 1);
	both((struct plan){.name = "client-defer-silent", .client_defer = 5, .rule = 1}, 1);
	both((struct plan){.name = "server-defer-data", .server_defer = 5, .later = 200, .rule = 1}, 1);
	both((struct plan){.name = "server-defer-silent", .server_defer = 1, .ms = 6000, .rule = 1}, 1);
	sysctl(ns_b, "tcp_syncookies", "2");
	both((struct plan){.name = "cookies", .rule = 1}, 1);
	both((struct plan){.name = "cookies-data", .send = 100, .rule = 1}, 1);
	sysctl(ns_b, "tcp_syncookies", "1");
	/* Losses. */
	for (int rule = 0; rule < 2; rule++) {
		const char *r = rule ? "acked-rule" : "first-data-rule";
		char name[8][60];
		int i = 0;
		/* lose: SYN, SYN-ACK, client's others */
		snprintf(name[i], 60, "lose-third %s", r);
		run((struct plan){.name = name[i++], .lose = {0, 0, 1}, .ms = 4000, .rule = rule}, 1);
		snprintf(name[i], 60, "lose-third+data %s", r);
		run((struct plan){.name = name[i++], .lose = {0, 0, 2}, .send = 100, .ms = 4000, .rule = rule}, rule ? 1 : -1);
		snprintf(name[i], 60, "lose-third+data v6 %s", r);
		run((struct plan){.name = name[i++], .six = 1, .lose = {0, 0, 2}, .send = 100, .ms = 4000, .rule = rule}, rule ? 1 : -1);
		snprintf(name[i], 60, "lose-3-of-64k %s", r);
		run((struct plan){.name = name[i++], .lose = {0, 0, 3}, .send = 65536, .ms = 5000, .rule = rule}, rule ? 1 : -1);
		snprintf(name[i], 60, "lose-5 %s", r);
		run((struct plan){.name = name[i++], .lose = {0, 0, 5}, .send = 100, .ms = 9000, .rule = rule}, rule ? 1 : -1);
	}
	both((struct plan){.name = "lose-syn", .lose = {1}, .send = 100, .ms = 4000, .rule = 1}, 0);
	both((struct plan){.name = "lose-synack", .lose = {0, 1}, .send = 100, .ms = 4000, .rule = 1}, 0);
	both((struct plan){.name = "strip-syn", .strip = 1, .send = 100, .rule = 1}, 0);
	both((struct plan){.name = "strip-synack", .strip = 2, .send = 100, .rule = 1}, 0);
	both((struct plan){.name = "strip-third", .strip = 4, .send = 100, .rule = 1}, -1);
	/* The passive side learns: the first flow is in-band, and where third segments lose their options so are all. */
	setting.learns = 1;
	setting.proven = 0;
	run((struct plan){.name = "learns first", .send = 100, .rule = 1}, 0);
	run((struct plan){.name = "learns second", .send = 100, .rule = 1}, 1);
	run((struct plan){.name = "learns third, stripped", .strip = 4, .send = 100, .rule = 1}, -1);
	for (int i = 0; i < 3; i++)
		run((struct plan){.name = "learns more, stripped", .strip = 4, .send = 100, .rule = 1}, 0);
	run((struct plan){.name = "learns, no more stripped", .send = 100, .rule = 1}, 0);
	run((struct plan){.name = "learns again", .send = 100, .rule = 1}, 1);
	run((struct plan){.name = "learns, lost SYN", .lose = {1}, .send = 100, .ms = 4000, .rule = 1}, 0);
	run((struct plan){.name = "learns, after it", .send = 100, .rule = 1}, 0);
	run((struct plan){.name = "learns, and then", .send = 100, .rule = 1}, 1);
	setting.learns = 0;
	/* Options. */
	sysctl(ns_a, "tcp_timestamps", "0");
	both((struct plan){.name = "no-timestamps", .send = 100, .rule = 1}, 1);
	sysctl(ns_a, "tcp_timestamps", "1");
	sysctl(ns_a, "tcp_sack", "0");
	both((struct plan){.name = "no-sack", .send = 100, .rule = 1}, 1);
	sysctl(ns_a, "tcp_sack", "1");
	if (strncmp(u.release, "6.1.", 4) && strncmp(u.release, "6.12.", 5)) {
		sysctl(ns_a, "tcp_ecn", "3");
		sysctl(ns_b, "tcp_ecn", "3");
		both((struct plan){.name = "accurate-ecn", .send = 100, .rule = 1}, 1);
		sysctl(ns_a, "tcp_ecn", "2");
		sysctl(ns_b, "tcp_ecn", "2");
	}
	/* A service address, by the kernel's own translation; and a client's that is translated. */
	in_ns(ns_a);
	sh("nft 'table ip t { chain o { type nat hook output priority -100; ip daddr 10.96.0.10 tcp dport 80 dnat to 10.77.0.2:7999; }; }'");
	{
		int ls = listener(0, 7999, 16, 0);

		run((struct plan){.name = "service-address", .to = "10.96.0.10", .port = 80, .listener = ls, .send = 100, .rule = 1}, 1);
	}
	sh("nft delete table ip t; nft 'table ip t { chain p { type nat hook postrouting priority 100; ip daddr 10.77.0.2 tcp dport 7000-8999 masquerade to :20000-30000; }; }'");
	run((struct plan){.name = "masqueraded", .send = 100, .rule = 1}, 0);
	sh("nft delete table ip t");
	numbers();
	/* Listeners from before the agent. */
	run((struct plan){.name = "old-listener", .listener = old4, .port = 6999, .send = 100, .rule = 1}, 0);
	snprintf(path, sizeof(path), "%s/iter.bpf.o", argv[1]);
	it = bpf_object__open(path);
	if (it && !bpf_object__load(it)) {
		struct bpf_link *link = bpf_program__attach_iter(bpf_object__find_program_by_name(it, "mark_listeners"), NULL);
		int result[2], fd, count = 0;

		in_ns(ns_b);
		fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
		printf("iter: %s\n", fd < 0 ? strerror(errno) : "made");
		while (fd >= 0 && read(fd, result, sizeof(result)) == sizeof(result) && ++count)
			printf("iter: listener of port %d: %d\n", result[0], result[1]);
		{
			struct plan p = {.name = "old-listener-marked", .listener = old4, .port = 6999, .send = 100, .rule = 1};

			run(p, !strncmp(u.release, "6.1.", 4) ? 0 : 1);
			p.six = 1;
			p.listener = old6;
			run(p, !strncmp(u.release, "6.1.", 4) ? 0 : 1);
		}
	} else {
		printf("iter: not loaded: %s\n", strerror(errno));
	}
	in_ns(host);
	printf("%d problems\n", problems);
	return problems != 0;
}

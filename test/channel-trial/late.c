// SPDX-License-Identifier: Apache-2.0
// late OBJECT-FOLDER [long]: what a server gets that takes its connection late and only then has keys, if the client has written, or has closed,
// before. Root, in a virtual machine of its own. Without the module `tls` only the parts that need no keys.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#define PORT 7100

static int hold_fd;
static char data[1 << 20], got[1 << 20];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
static void hold(__u32 how)
{
	__u32 at = 0;

	bpf_map_update_elem(hold_fd, &at, &how, 0);
}
static __u32 dropped(void)
{
	__u32 at = 1, n = 0, none = 0;

	bpf_map_lookup_elem(hold_fd, &at, &n);
	bpf_map_update_elem(hold_fd, &at, &none, 0);
	return n;
}
static struct sockaddr_in here(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	return a;
}
static int ulp(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4) ? -errno : 0;
}
/* One key for the client's direction, another for the server's. */
static int key(int fd, int option, int mine)
{
	struct tls12_crypto_info_aes_gcm_128 k = {.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128}};

	memset(k.key, mine ? 1 : 2, sizeof(k.key));
	return setsockopt(fd, SOL_TLS, option, &k, sizeof(k)) ? -errno : 0;
}
static int keys(int fd, int client)
{
	int r = key(fd, TLS_TX, client);

	return r ? r : key(fd, TLS_RX, !client);
}
static int connected(int ls)
{
	struct sockaddr_in a = here();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)ls;
	if (connect(fd, (void *)&a, sizeof(a)))
		exit(1);
	return fd;
}
static int state(int fd)
{
	struct tcp_info i = {0};
	socklen_t n = sizeof(i);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n);
	return i.tcpi_state;
}
/* Reads to the end: bytes, or -errno; says when the last byte came and when the end. */
static long drain(int fd, double since, double *last, double *end)
{
	long all = 0, r;

	*last = *end = -1;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 60000) != 1)
			return -ETIMEDOUT;
		r = read(fd, got + all, sizeof(got) - all);
		if (r < 0)
			return -errno;
		if (!r)
			break;
		all += r;
		*last = now() - since;
	}
	*end = now() - since;
	return all;
}

static void keyed(int ls, const char *name, long bytes, int how, int late_ms, int tls, int early_ulp)
{
	int fd = connected(ls), s, early = 0, u = 0, k = 0;
	double since, last, end;
	long all, sent;

	if (tls && (ulp(fd) || keys(fd, 1)))
		printf("# the client has no keys: %s\n", strerror(errno));
	s = -1;
	if (early_ulp) {
		s = accept(ls, NULL, NULL);
		early = ulp(s);
	}
	dropped();
	hold(how & 7);
	sent = write(fd, data, bytes);
	if (how & 8)
		shutdown(fd, SHUT_WR);
	if (how & 16)
		close(fd);
	usleep(late_ms * 1000);
	if (s < 0)
		s = accept(ls, NULL, NULL);
	since = now();
	if (tls) {
		u = early_ulp ? early : ulp(s);
		k = u ? u : keys(s, 0);
	}
	printf("%-44s state %d ulp %d keys %d", name, state(s), u, k);
	hold(0);
	/* The agent says the end itself: it has seen the FIN, and that all before it has come. */
	if (how & 32)
		shutdown(s, SHUT_RD);
	if (!tls || !k) {
		all = drain(s, since, &last, &end);
		printf(" sent %ld read %ld %s, last byte after %.2f s, end after %.2f s", sent, all, all >= 0 && !memcmp(data, got, all) ? "same" : "DIFFER", last, end);
	}
	printf(", FINs dropped %u\n", dropped());
	if (!(how & 16))
		close(fd);
	close(s);
}

int main(int argc, char **argv)
{
	char path[5000], folder[4096];
	struct bpf_object *o;
	struct utsname u;
	int one = 1, ls, cg, procs, tls, t;
	struct sockaddr_in a = here();

	if (!realpath(argv[1], folder))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	uname(&u);
	system("ip link set lo up; modprobe tls 2>/dev/null");
	if (chdir(access("/sys/fs/cgroup/unified", F_OK) ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"))
		return 1;
	mkdir("channel-trial", 0755);
	cg = open("channel-trial", O_RDONLY);
	procs = open("channel-trial/cgroup.procs", O_WRONLY);
	if (procs < 0 || write(procs, "0", 1) != 1)
		return 1;
	snprintf(path, sizeof(path), "%s/late.bpf.o", folder);
	o = bpf_object__open(path);
	if (!o || bpf_object__load(o) || !bpf_program__attach_cgroup(bpf_object__find_program_by_name(o, "leaves"), cg) ||
	    !bpf_program__attach_cgroup(bpf_object__find_program_by_name(o, "arrives"), cg))
		return 1;
	hold_fd = bpf_object__find_map_fd_by_name(o, "hold");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 31 + (i >> 9);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(ls, (void *)&a, sizeof(a)) || listen(ls, 64))
		return 1;
	t = connected(ls);
	tls = !ulp(t);
	close(t);
	close(accept(ls, NULL, NULL));
	printf("kernel %s, kernel TLS: %s\n", u.release, tls ? "yes" : "no");
	if (tls) {
		keyed(ls, "100 B, half-closed, FIN kept at the server", 100, 8 | 4, 1000, 1, 0);
		keyed(ls, "60000 B, half-closed, FIN kept at the server", 60000, 8 | 4, 1000, 1, 0);
		keyed(ls, "100 B, half-closed", 100, 8, 500, 1, 0);
		keyed(ls, "100 B, closed", 100, 16, 500, 1, 0);
		keyed(ls, "ULP before, half-closed, keys behind it", 100, 8, 500, 1, 1);
	}
	keyed(ls, "FIN dropped at the client, 3 s", 100, 8 | 1, 3000, tls, 0);
	keyed(ls, "the same as if a device were full, 3 s", 100, 8 | 2, 3000, tls, 0);
	keyed(ls, "dropped at the server, 0.02 s", 100, 8 | 4, 20, tls, 0);
	keyed(ls, "dropped at the server, 3 s", 100, 8 | 4, 3000, tls, 0);
	keyed(ls, "dropped at the server, closed, 3 s", 100, 16 | 4, 3000, tls, 0);
	keyed(ls, "as if full, closed, 3 s", 100, 16 | 2, 3000, tls, 0);
	keyed(ls, "dropped at the server, 60000 B, closed, 3 s", 60000, 16 | 4, 3000, tls, 0);
	keyed(ls, "dropped at the server, SHUT_RD, 3 s", 100, 8 | 4 | 32, 3000, tls, 0);
	keyed(ls, "60000 B, closed, SHUT_RD, 3 s", 60000, 16 | 4 | 32, 3000, tls, 0);
	if (argc < 3)
		return 0;
	keyed(ls, "dropped at the server, closed, 15 s", 100, 16 | 4, 15000, tls, 0);
	keyed(ls, "as if full, closed, 15 s", 100, 16 | 2, 15000, tls, 0);
	return 0;
}

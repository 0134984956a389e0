/*-------------------------------------------------------------------------
 *
 * paced.c
 *	  POST /trackUsage at a fixed rate, with honest latencies.
 *
 *	  paced PORT TOKEN_FILE USERS CONNECTIONS RATE_S SECONDS
 *
 * An open loop: request number i is due at start + i / RATE_S, whatever became
 * of the ones before it, and its latency counts from then on.  A server that
 * stalls thus pays for every request that should have been sent meanwhile, which
 * a closed loop such as wrk's leaves out (coordinated omission).  A request that
 * finds all connections busy waits in line, and its latency runs.
 *
 * Requests go to the loopback over CONNECTIONS kept-alive connections, each with
 * one of the first USERS tokens of TOKEN_FILE, picked at random.  Every reply must be a
 * 200 of a counted call, or the program fails.  Prints one line: requests=,
 * rate_s= (achieved), mean_us=, p50_us=, p99_us=, max_us=.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX   1024
#define USERS_MAX         4096
#define TOKEN_BYTES_MAX   4096
#define REQUEST_BYTES_MAX (TOKEN_BYTES_MAX + 256)
#define REPLY_BYTES_MAX   4096
#define RATE_MAX          1000000
#define SECONDS_MAX       600
#define EVENTS_MAX        64
#define GRACE_NS          INT64_C(5000000000) /* for the last replies */

typedef struct Connection
{
	int fd;
	int64_t due_ns; /* of the request under way */
	char reply[REPLY_BYTES_MAX + 1];
	size_t reply_bytes;
} Connection;

typedef struct Request
{
	char *bytes;
	size_t length;
} Request;

static Connection connection[CONNECTIONS_MAX];
static Connection *idle[CONNECTIONS_MAX];
static int connections;
static int idle_count;
static Request request[USERS_MAX];
static int users;
static int64_t total;
static int64_t sent;
static int64_t answered;
static uint32_t *latency_us;

static void
fail(const char *what)
{
	fprintf(stderr, "paced: %s\n", what);
	exit(EXIT_FAILURE);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static long
number(const char *text, long maximum)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end != '\0' || value < 1 || value > maximum)
		fail("an argument is no number, or out of range");
	return value;
}

static void
requests_build(const char *path)
{
	static const char body[] = "{\"usage\":1,\"tokenCount\":250}";
	char token[TOKEN_BYTES_MAX];
	char bytes[REQUEST_BYTES_MAX];
	FILE *file = fopen(path, "r");

	if (file == NULL)
		fail("could not open the file of tokens");
	for (int i = 0; i < users; i++)
	{
		int length;

		if (fgets(token, sizeof(token), file) == NULL)
			fail("too few tokens");
		token[strcspn(token, "\n")] = '\0';
		length = snprintf(bytes, sizeof(bytes),
						  "POST /trackUsage HTTP/1.1\r\nHost: localhost\r\n"
						  "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
						  "Content-Length: %zu\r\n\r\n%s",
						  token, sizeof(body) - 1, body);
		if (length < 0 || (size_t) length >= sizeof(bytes))
			fail("a token is too long");
		request[i].bytes = strdup(bytes);
		request[i].length = (size_t) length;
		if (request[i].bytes == NULL)
			fail("out of memory");
	}
	(void) fclose(file);
}

static void
connect_all(int epoll, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < connections; i++)
	{
		Connection *c = &connection[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
			setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
			epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
			fail("could not connect");
		idle[idle_count++] = c;
	}
}

static void
send_next(int64_t due_ns)
{
	Connection *c = idle[--idle_count];
	const Request *r = &request[random() % users];

	c->due_ns = due_ns;
	c->reply_bytes = 0;
	if (send(c->fd, r->bytes, r->length, MSG_NOSIGNAL) != (ssize_t) r->length)
		fail("could not send a request");
	sent++;
}

/* True when the reply is complete; a reply that is no counted 200 ends the program. */
static bool
reply_complete(Connection *c)
{
	static const char counted[] = "{\"message\":\"Usage tracked successfully\"";
	const char *length;
	const char *body;

	c->reply[c->reply_bytes] = '\0';
	body = strstr(c->reply, "\r\n\r\n");
	if (body == NULL)
		return false;
	body += 4;
	length = strcasestr(c->reply, "\r\ncontent-length: ");
	if (length == NULL || length > body || strncmp(c->reply, "HTTP/1.1 200 ", 13) != 0)
		fail(c->reply);
	if ((long) strlen(body) < strtol(length + 18, NULL, 10))
		return false;
	if (strncmp(body, counted, sizeof(counted) - 1) != 0)
		fail(c->reply);
	return true;
}

static void
receive(Connection *c)
{
	ssize_t got = recv(c->fd, c->reply + c->reply_bytes, REPLY_BYTES_MAX - c->reply_bytes, 0);

	if (got <= 0)
		fail("a connection was lost");
	c->reply_bytes += (size_t) got;
	if (!reply_complete(c))
		return;
	latency_us[answered++] = (uint32_t) ((now_ns() - c->due_ns) / 1000);
	idle[idle_count++] = c;
}

static void
run(int epoll, double interval_ns)
{
	const int64_t start_ns = now_ns();
	const int64_t end_ns = start_ns + (int64_t) (interval_ns * (double) total) + GRACE_NS;
	struct epoll_event event[EVENTS_MAX];

	while (answered < total)
	{
		int64_t at_ns = now_ns();
		int64_t due_ns = start_ns + (int64_t) (interval_ns * (double) sent);
		int64_t wait_ns = sent == total || idle_count == 0 ? GRACE_NS : due_ns - at_ns;
		struct timespec wait;
		int count;

		if (at_ns > end_ns)
			fail("the service did not keep up with the rate");
		if (wait_ns <= 0)
		{
			send_next(due_ns);
			wait_ns = 0;
		}
		wait = (struct timespec){wait_ns / 1000000000, wait_ns % 1000000000};
		count = epoll_pwait2(epoll, event, EVENTS_MAX, &wait, NULL);
		if (count < 0 && errno != EINTR)
			fail("could not wait");
		for (int i = 0; i < count; i++)
			receive(event[i].data.ptr);
	}
}

static int
compare(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *) a;
	const uint32_t right = *(const uint32_t *) b;

	return left < right ? -1 : left > right;
}

static uint32_t
percentile(double part)
{
	int64_t rank = (int64_t) ((double) (total - 1) * part);

	return latency_us[rank];
}

int
main(int argc, char **argv)
{
	int epoll = epoll_create1(0);
	int64_t begun_ns;
	double seconds;
	double sum = 0;
	long rate;

	if (argc != 7 || epoll < 0)
		fail("usage: paced PORT TOKEN_FILE USERS CONNECTIONS RATE_S SECONDS");
	users = (int) number(argv[3], USERS_MAX);
	connections = (int) number(argv[4], CONNECTIONS_MAX);
	rate = number(argv[5], RATE_MAX);
	total = rate * number(argv[6], SECONDS_MAX);
	latency_us = calloc((size_t) total, sizeof(*latency_us));
	if (latency_us == NULL)
		fail("out of memory");
	/* timers fire when they are due, not up to 50 us later */
	(void) prctl(PR_SET_TIMERSLACK, 1UL);
	srandom((unsigned) time(NULL));
	requests_build(argv[2]);
	connect_all(epoll, (int) number(argv[1], 65535));
	begun_ns = now_ns();
	run(epoll, 1e9 / (double) rate);
	seconds = (double) (now_ns() - begun_ns) / 1e9;
	for (int64_t i = 0; i < total; i++)
		sum += latency_us[i];
	qsort(latency_us, (size_t) total, sizeof(*latency_us), compare);
	printf("paced requests=%lld rate_s=%.0f mean_us=%.0f p50_us=%u p99_us=%u max_us=%u\n",
		   (long long) total, (double) total / seconds, sum / (double) total, percentile(0.5),
		   percentile(0.99), percentile(1));
	return EXIT_SUCCESS;
}

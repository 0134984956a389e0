/*
 * test_pgconn.c
 *	  The pause between attempts grows, stays in its bounds, and stays short while
 *	  a server is likely to come back; names are told from addresses.
 */
#include "test.h"

#include <stdlib.h>

#include "pgconn.h"
#include "resolve.h"

static void
pauses(void)
{
	int pause = 0;

	test_case("doubles up to the maximum");
	for (int i = 0; i < 20; i++)
	{
		int next = am_pgconn_next_pause_ms(pause, 100, 5000, false, 0);

		CHECK(next > pause || next == 5000);
		pause = next;
	}
	CHECK_INT(5000, pause);
	test_case("eager");
	for (int i = 0; i < 20; i++)
	{
		pause = am_pgconn_next_pause_ms(pause, 100, 5000, true, 0);
		CHECK(pause <= AM_PGCONN_EAGER_PAUSE_MS);
	}
	test_case("jitter takes up to a quarter");
	for (unsigned jitter = 0; jitter < 1000; jitter++)
	{
		pause = am_pgconn_next_pause_ms(0, 100, 5000, true, jitter);
		CHECK(pause >= 75 && pause <= 100);
	}
	CHECK(am_pgconn_next_pause_ms(0, 1, 1, true, 999) >= 1);
	test_case("no overflow");
	CHECK_INT(3600000, am_pgconn_next_pause_ms(2000000000, 100, 3600000, false, 0));
}

static void
host_names(void)
{
	static const struct
	{
		const char *host;
		bool name;
	} cases[] = {
		{"db", true},
		{"db.example.org", true},
		{"/run/postgresql", false},
		{"@abstract", false},
		{"192.0.2.1", false},
		{"2001:db8::1", false},
		{"a,b", false},
		{"", false},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].host);
		CHECK(am_resolve_is_name(cases[i].host) == cases[i].name);
	}
	CHECK(!am_resolve_is_name(NULL));
}

static void
database_hosts(void)
{
	static const struct
	{
		const char *database;
		const char *host;
	} cases[] = {
		{"host=db dbname=app", "db"},         {"postgresql://user@db:5432/app", "db"},
		{"host=/run/postgresql", NULL},       {"host=192.0.2.1", NULL},
		{"host=db hostaddr=192.0.2.1", NULL}, {"", NULL},
		{"not a connection string", NULL},
	};

	(void) unsetenv("PGHOST");
	(void) unsetenv("PGHOSTADDR");
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		char *host = am_pgconn_database_host(cases[i].database);

		test_case(cases[i].database);
		CHECK_STRING(cases[i].host, host);
		free(host);
	}
	(void) setenv("PGHOST", "db2", 1);
	test_case("PGHOST");
	{
		char *host = am_pgconn_database_host("dbname=app");

		CHECK_STRING("db2", host);
		free(host);
	}
	(void) unsetenv("PGHOST");
}

int
main(void)
{
	TEST_RUN(pauses);
	TEST_RUN(host_names);
	TEST_RUN(database_hosts);
	return test_end("shim pgconn");
}

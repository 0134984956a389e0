/*
 * test_net.c
 *		Must hold: an address has one meaning in every notation, and only what a
 *		trusted proxy wrote names the client (contract R12, security 23).
 */
#include "core/net.h"
#include "core/test/test.h"

#define LIST_MAX 8

static amc_net_address
address(const char *text)
{
	amc_net_address result = {0};

	CHECK(amc_net_parse(text, strlen(text), &result));
	return result;
}

static const struct
{
	const char *text;
	const char *canonical;
	const char *key;
} good_addresses[] = {
	{"192.0.2.1", "192.0.2.1", "192.0.2.1"},
	{"0.0.0.0", "0.0.0.0", "0.0.0.0"},
	{"255.255.255.255", "255.255.255.255", "255.255.255.255"},
	{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
	{"::FFFF:c000:0201", "192.0.2.1", "192.0.2.1"},
	{"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
	{"::", "::", "::/64"},
	{"::1", "::1", "::/64"},
	{"2001:DB8::1", "2001:db8::1", "2001:db8::/64"},
	{"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", "2001:db8::/64"},
	{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "2001:db8::/64"},
	{"fe80::1", "fe80::1", "fe80::/64"},
	{"64:ff9b::192.0.2.33", "64:ff9b::c000:221", "64:ff9b::/64"},
	{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	 "ffff:ffff:ffff:ffff::/64"},
};
static const char *const bad_addresses[] = {
	"",
	" ",
	"1",
	"127.1",
	"1.2.3",
	"1.2.3.4.5",
	"1.2.3.256",
	"01.2.3.4",
	"1.2.3.04",
	"1.2.3.4 ",
	" 1.2.3.4",
	"0x7f.0.0.1",
	"1.2.3.-4",
	"1..3.4",
	"1.2.3.4.",
	"2130706433",
	"localhost",
	":",
	":::",
	"1::2::3",
	"2001:db8",
	"2001:db8::g",
	"12345::",
	"::1%lo",
	"fe80::1%eth0",
	"[::1]",
	"::1.2.3",
	"::256.1.1.1",
	"1:2:3:4:5:6:7:8:9",
	"1:2:3:4:5:6:7::8:9",
	"::1/64",
	"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	"unknown",
};

static void
addresses(void)
{
	char out[AMC_NET_KEY_BYTES];
	amc_net_address parsed;
	size_t i;

	for (i = 0; i < LENGTH_OF(good_addresses); i++)
	{
		size_t len = strlen(good_addresses[i].text);

		test_case(good_addresses[i].text);
		CHECK(amc_net_parse(test_copy(good_addresses[i].text, len), len, &parsed));
		CHECK_TEXT(good_addresses[i].canonical, out, amc_net_format(&parsed, out));
		CHECK_TEXT(good_addresses[i].key, out, amc_net_key(&parsed, out));
	}
	for (i = 0; i < LENGTH_OF(bad_addresses); i++)
	{
		size_t len = strlen(bad_addresses[i]);

		test_case(bad_addresses[i]);
		CHECK(!amc_net_parse(test_copy(bad_addresses[i], len), len, &parsed));
	}
	test_case("NUL");
	CHECK(!amc_net_parse("1.2.3.4\0", 8, &parsed));
	CHECK(!amc_net_parse("1.2.3.4\0x", 9, &parsed));
}

static void
from_bytes(void)
{
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1};
	amc_net_address expected = address("192.0.2.1");
	amc_net_address parsed;

	test_case("from a socket address");
	CHECK(amc_net_from_bytes(mapped, 16, &parsed));
	CHECK(amc_net_equal(&parsed, &expected));
	CHECK(amc_net_from_bytes(mapped + 12, 4, &parsed));
	CHECK(amc_net_equal(&parsed, &expected));
	CHECK(!amc_net_from_bytes(mapped, 5, &parsed));
	CHECK(!amc_net_from_bytes(mapped, 0, &parsed));
	test_case("::192.0.2.1 is not 192.0.2.1");
	parsed = address("::192.0.2.1");
	CHECK(!amc_net_equal(&parsed, &expected));
	CHECK_INT(6, parsed.family);
}

static void
networks(void)
{
	static const struct
	{
		const char *network;
		const char *address;
		bool inside;
	} cases[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"192.0.2.0/25", "192.0.2.127", true},
		{"192.0.2.0/25", "192.0.2.128", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1/32", "192.0.2.2", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"2001:db8::/127", "2001:db8::1", true},
		{"2001:db8::/127", "2001:db8::2", false},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true},
		{"::ffff:0:0/96", "203.0.113.9", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"a00::/8", "10.0.0.1", false},
	};
	static const char *const refused[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/08",
		"10.0.0.0/8 ",
		"10.0.0.0/8/8",
		"10.0.0.1/8",
		"10.0.0.0/255.0.0.0",
		"10/8",
		"2001:db8::/129",
		"2001:db8::1/64",
		"::/1000",
		"example.com/8",
		"*",
		"any",
		"::ffff:0:0/95",
		"::ffff:10.0.0.1/104",
		"0.0.0.0/00",
	};
	amc_net_prefix prefix;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		amc_net_address inside = address(cases[i].address);
		size_t len = strlen(cases[i].network);

		test_case(cases[i].network);
		CHECK(amc_net_prefix_parse(test_copy(cases[i].network, len), len, &prefix));
		CHECK_INT(cases[i].inside, amc_net_list_has(&prefix, 1, &inside));
	}
	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		size_t len = strlen(refused[i]);

		test_case(refused[i]);
		CHECK(!amc_net_prefix_parse(test_copy(refused[i], len), len, &prefix));
	}
}

static void
lists(void)
{
	amc_net_prefix list[2];
	amc_net_address inside = address("fd00::5");
	size_t count = 99;
	size_t error_at = 99;

	test_case("lists");
	CHECK(amc_net_list_parse("", 0, list, 2, &count, &error_at));
	CHECK_INT(0, count);
	CHECK(!amc_net_list_has(list, count, &inside));
	CHECK(amc_net_list_parse(AMC_LITERAL(" 10.0.0.0/8 ,\n fd00::/8,"), list, 2, &count, NULL));
	CHECK_INT(2, count);
	CHECK(amc_net_list_has(list, count, &inside));
	CHECK(!amc_net_list_has(list, 1, &inside));
	CHECK(amc_net_list_parse(AMC_LITERAL("10.0.0.0/8 fd00::/8"), list, 2, &count, NULL));
	CHECK_INT(2, count);
	test_case("faults in lists");
	CHECK(!amc_net_list_parse(AMC_LITERAL("10.0.0.0/8, nonsense"), list, 2, &count, &error_at));
	CHECK_INT(12, error_at);
	CHECK(!amc_net_list_parse(AMC_LITERAL("1.1.1.1 2.2.2.2 3.3.3.3"), list, 2, &count, &error_at));
	CHECK_INT(16, error_at);
	CHECK(!amc_net_list_parse(AMC_LITERAL("1.1.1.1;2.2.2.2"), list, 2, &count, NULL));
}

static const struct
{
	const char *name;
	const char *peer;
	const char *header;
	amc_net_source source;
	const char *client;
} walks[] = {
	{"no header", "10.0.0.1", "", AMC_NET_PEER, "10.0.0.1"},
	{"security 23: header of a stranger", "198.51.100.7", "203.0.113.9", AMC_NET_PEER,
	 "198.51.100.7"},
	{"security 23: stranger claims a trusted address", "198.51.100.7", "10.0.0.1", AMC_NET_PEER,
	 "198.51.100.7"},
	{"one proxy", "10.0.0.1", "203.0.113.9", AMC_NET_FORWARDED, "203.0.113.9"},
	{"security 23: the right-most, not the left-most", "10.0.0.1", "1.1.1.1, 203.0.113.9",
	 AMC_NET_FORWARDED, "203.0.113.9"},
	{"security 23: forged chain of trusted addresses", "10.0.0.1", "10.0.0.9, 203.0.113.9",
	 AMC_NET_FORWARDED, "203.0.113.9"},
	{"two proxies", "10.0.0.1", "1.1.1.1,203.0.113.9, 10.0.0.2", AMC_NET_FORWARDED, "203.0.113.9"},
	{"proxies of both families", "fd00::1", "2001:db8::5 ,\t10.0.0.2 , fd00::2", AMC_NET_FORWARDED,
	 "2001:db8::5"},
	{"peer as mapped address", "::ffff:10.0.0.1", "203.0.113.9", AMC_NET_FORWARDED, "203.0.113.9"},
	{"security 23: mapped notation of a trusted proxy", "10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2",
	 AMC_NET_FORWARDED, "203.0.113.9"},
	{"all trusted", "10.0.0.1", "10.0.0.3, 10.0.0.2", AMC_NET_ALL_TRUSTED, "10.0.0.1"},
	{"rubbish left of the client is not looked at", "10.0.0.1", "<script>,,\xff,203.0.113.9",
	 AMC_NET_FORWARDED, "203.0.113.9"},
	{"security 23: unknown", "10.0.0.1", "203.0.113.9, unknown", AMC_NET_MALFORMED, "10.0.0.1"},
	{"security 23: obfuscated", "10.0.0.1", "_hidden", AMC_NET_MALFORMED, "10.0.0.1"},
	{"security 23: rubbish behind trusted hops", "10.0.0.1", "x, 10.0.0.2", AMC_NET_MALFORMED,
	 "10.0.0.1"},
	{"security 23: empty entry", "10.0.0.1", "203.0.113.9,", AMC_NET_MALFORMED, "10.0.0.1"},
	{"only a comma", "10.0.0.1", ",", AMC_NET_MALFORMED, "10.0.0.1"},
	{"only a blank", "10.0.0.1", " ", AMC_NET_MALFORMED, "10.0.0.1"},
	{"host name", "10.0.0.1", "client.example.com", AMC_NET_MALFORMED, "10.0.0.1"},
	{"two addresses without a comma", "10.0.0.1", "203.0.113.9 203.0.113.8", AMC_NET_MALFORMED,
	 "10.0.0.1"},
	{"port", "10.0.0.1", "203.0.113.9:54321", AMC_NET_FORWARDED, "203.0.113.9"},
	{"brackets", "10.0.0.1", "[2001:db8::5]", AMC_NET_FORWARDED, "2001:db8::5"},
	{"brackets and port", "10.0.0.1", "[2001:db8::5]:443", AMC_NET_FORWARDED, "2001:db8::5"},
	{"port of a trusted hop", "10.0.0.1", "203.0.113.9, 10.0.0.2:80", AMC_NET_FORWARDED,
	 "203.0.113.9"},
	{"mapped address with brackets", "10.0.0.1", "[::ffff:203.0.113.9]:1", AMC_NET_FORWARDED,
	 "203.0.113.9"},
	{"port that is none", "10.0.0.1", "203.0.113.9:http", AMC_NET_MALFORMED, "10.0.0.1"},
	{"port too long", "10.0.0.1", "203.0.113.9:654321", AMC_NET_MALFORMED, "10.0.0.1"},
	{"port missing", "10.0.0.1", "203.0.113.9:", AMC_NET_MALFORMED, "10.0.0.1"},
	{"bracket open", "10.0.0.1", "[2001:db8::5", AMC_NET_MALFORMED, "10.0.0.1"},
	{"brackets empty", "10.0.0.1", "[]", AMC_NET_MALFORMED, "10.0.0.1"},
	{"IPv4 in brackets", "10.0.0.1", "[203.0.113.9]", AMC_NET_MALFORMED, "10.0.0.1"},
	{"text behind brackets", "10.0.0.1", "[2001:db8::5]x", AMC_NET_MALFORMED, "10.0.0.1"},
	{"quotes", "10.0.0.1", "\"203.0.113.9\"", AMC_NET_MALFORMED, "10.0.0.1"},
};

static void
clients(void)
{
	amc_net_prefix trusted[LIST_MAX];
	amc_net_address client;
	size_t trusted_count;
	char out[AMC_NET_TEXT_BYTES];
	size_t i;

	CHECK(amc_net_list_parse(AMC_LITERAL("10.0.0.0/8 fd00::/8"), trusted, LIST_MAX, &trusted_count,
							 NULL));
	for (i = 0; i < LENGTH_OF(walks); i++)
	{
		amc_net_address peer = address(walks[i].peer);
		size_t len = strlen(walks[i].header);

		test_case(walks[i].name);
		CHECK_INT(walks[i].source, amc_net_client(&peer, test_copy(walks[i].header, len), len,
												  trusted, trusted_count, &client));
		CHECK_TEXT(walks[i].client, out, amc_net_format(&client, out));
	}
	test_case("no list, no trust");
	{
		amc_net_address peer = address("10.0.0.1");

		CHECK_INT(AMC_NET_PEER,
				  amc_net_client(&peer, AMC_LITERAL("203.0.113.9"), NULL, 0, &client));
		CHECK(amc_net_equal(&peer, &client));
		CHECK_INT(AMC_NET_PEER, amc_net_client(&peer, NULL, 0, trusted, trusted_count, &client));
	}
}

static void
bounds(void)
{
	amc_net_prefix trusted[1];
	amc_net_address peer = address("10.0.0.1");
	amc_net_address client;
	size_t count;
	char *header;
	size_t len;

	CHECK(amc_net_list_parse(AMC_LITERAL("10.0.0.0/8"), trusted, 1, &count, NULL));
	test_case("32 hops");
	header = test_repeat(",10.0.0.2", 32, &len);
	CHECK_INT(AMC_NET_ALL_TRUSTED,
			  amc_net_client(&peer, header + 1, len - 1, trusted, count, &client));
	test_case("33 hops");
	header = test_repeat(",10.0.0.2", 33, &len);
	CHECK_INT(AMC_NET_MALFORMED,
			  amc_net_client(&peer, header + 1, len - 1, trusted, count, &client));
	CHECK(amc_net_equal(&peer, &client));
	test_case("header of 4096 and 4097 bytes");
	header = test_repeat("x", 4098, &len);
	memcpy(header + 4084, ",203.0.113.9", 12);
	memcpy(header + 4096, "  ", 2);
	CHECK_INT(AMC_NET_FORWARDED, amc_net_client(&peer, header, 4096, trusted, count, &client));
	CHECK_INT(AMC_NET_MALFORMED, amc_net_client(&peer, header, 4097, trusted, count, &client));
}

void
test_net(void)
{
	addresses();
	from_bytes();
	networks();
	lists();
	clients();
	bounds();
}

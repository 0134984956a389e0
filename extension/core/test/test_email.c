/*
 * test_email.c
 *		Must hold: all spellings of one address become the same bytes, which are their
 *		own canonical form, and nothing else than an address has one (contract I1).
 */
#include "core/email.h"
#include "core/test/test.h"

#define SHARP_S          "\xc3\x9f"
#define U_UMLAUT         "\xc3\xbc"
#define U_UMLAUT_UPPER   "\xc3\x9c"
#define E_ACUTE          "\xc3\xa9"
#define NO_BREAK         "\xc2\xa0"
#define BYTE_ORDER_MARK  "\xef\xbb\xbf"
#define IDEOGRAPHIC_STOP "\xe3\x80\x82"

static amc_email_status
canonical(const char *text, size_t len, char *out, size_t *out_len)
{
	return amc_email_canonical(test_copy(text, len), len, out, out_len);
}

static const struct
{
	const char *name;
	const char *text;
	const char *expected;
} addresses[] = {
	{"already canonical", "ana@example.com", "ana@example.com"},
	{"security 18: case", "Ana.Maria@EXAMPLE.Com", "ana.maria@example.com"},
	{"security 18: blanks", "  ana@example.com\t\r\n", "ana@example.com"},
	{"security 18: Unicode blanks",
	 NO_BREAK "\xe3\x80\x80"
			  "ana@example.com\xe2\x80\x83\xe2\x80\xa8",
	 "ana@example.com"},
	{"security 18: byte order mark", BYTE_ORDER_MARK "ana@example.com", "ana@example.com"},
	{"security 18: full-width letters",
	 "\xef\xbc\xa1\xef\xbd\x8e\xef\xbd\x81\xef\xbc\xa0\xef\xbc\xa5xample\xef\xbc\x8e"
	 "com",
	 "ana@example.com"},
	{"security 18: ligature",
	 "\xef\xac\x81"
	 "ona@example.com",
	 "fiona@example.com"},
	{"security 18: Kelvin sign",
	 "\xe2\x84\xaa"
	 "en@example.com",
	 "ken@example.com"},
	{"security 18: superscript", "ana\xc2\xb2@example.com", "ana2@example.com"},
	{"security 18: mathematical letters",
	 "\xf0\x9d\x90\x80\xf0\x9d\x90\xa7\xf0\x9d\x90\x80@example.com", "ana@example.com"},
	{"security 18: composed and decomposed", "Jose\xcc\x81@example.com",
	 "jos" E_ACUTE "@example.com"},
	{"security 18: upper case beyond ASCII", "J\xc3\x96RG@example.com", "j\xc3\xb6rg@example.com"},
	{"security 18: Turkish I is i everywhere", "ILKAY@example.com", "ilkay@example.com"},
	{"security 18: Turkish dotless i is another letter", "\xc4\xb1lkay@example.com",
	 "\xc4\xb1lkay@example.com"},
	{"security 18: Turkish dotted I is i and a dot", "\xc4\xb0lkay@example.com",
	 "i\xcc\x87lkay@example.com"},
	{"security 18: final sigma", "\xce\x91\xce\xa3@example.com", "\xce\xb1\xcf\x82@example.com"},
	{"sharp s stays", "Stra" SHARP_S "e@example.com", "stra" SHARP_S "e@example.com"},
	{"capital sharp s",
	 "STRA\xe1\xba\x9e"
	 "E@example.com",
	 "stra" SHARP_S "e@example.com"},
	{"security 18: IDN as Unicode", "ana@B" U_UMLAUT_UPPER "CHER.example",
	 "ana@b" U_UMLAUT "cher.example"},
	{"security 18: IDN as A-label", "ana@xn--bcher-kva.example", "ana@b" U_UMLAUT "cher.example"},
	{"security 18: IDN as A-label in upper case", "ana@XN--BCHER-KVA.EXAMPLE",
	 "ana@b" U_UMLAUT "cher.example"},
	{"security 18: IDN, decomposed",
	 "ana@bu\xcc\x88"
	 "cher.example",
	 "ana@b" U_UMLAUT "cher.example"},
	{"security 18: IDN, ideographic stop", "ana@b" U_UMLAUT "cher" IDEOGRAPHIC_STOP "example",
	 "ana@b" U_UMLAUT "cher.example"},
	{"security 18: IDN, half-width stop",
	 "ana@b" U_UMLAUT "cher\xef\xbd\xa1"
	 "example",
	 "ana@b" U_UMLAUT "cher.example"},
	{"security 18: two A-labels", "ana@xn--mnchen-3ya.xn--bcher-kva",
	 "ana@m" U_UMLAUT "nchen.b" U_UMLAUT "cher"},
	{"security 18: sharp s in a domain", "ana@xn--strae-oqa.example",
	 "ana@stra" SHARP_S "e.example"},
	{"A-label that is no punycode stays", "ana@xn--999999999.example", "ana@xn--999999999.example"},
	{"A-label of nothing stays", "ana@xn--.example", "ana@xn--.example"},
	{"A-label of plain ASCII stays", "ana@xn--abc-.example", "ana@xn--abc-.example"},
	{"A-label of a control character stays", "ana@xn--a.example", "ana@xn--a.example"},
	{"A-label of an upper-case letter stays", "ana@xn--a-0ea.example", "ana@xn--a-0ea.example"},
	{"A-label of a symbol stays", "ana@xn--i-7iq.example", "ana@xn--i-7iq.example"},
	{"A-label of another A-label stays", "ana@xn--xn---epa.example", "ana@xn--xn---epa.example"},
	{"A-label in the local part stays", "xn--bcher-kva@example.com", "xn--bcher-kva@example.com"},
	{"ideographic stop in the local part stays", "a" IDEOGRAPHIC_STOP "b@example.com",
	 "a" IDEOGRAPHIC_STOP "b@example.com"},
	{"signs", "o'neil+tag_%#!@example.com", "o'neil+tag_%#!@example.com"},
	{"shortest", "a@b.c", "a@b.c"},
	{"dot after dot", "a@..c", "a@..c"},
	{"final dot", "a@b.com.", "a@b.com."},
	{"SQL is text", "x';drop--@example.com", "x';drop--@example.com"},
	{"emoji", "\xf0\x9f\x98\x80@example.com", "\xf0\x9f\x98\x80@example.com"},
};

static void
canonical_forms(void)
{
	size_t i;

	for (i = 0; i < LENGTH_OF(addresses); i++)
	{
		char once[AMC_EMAIL_BYTES_MAX];
		char twice[AMC_EMAIL_BYTES_MAX];
		size_t len = 0;

		test_case(addresses[i].name);
		CHECK_INT(AMC_EMAIL_OK,
				  canonical(addresses[i].text, strlen(addresses[i].text), once, &len));
		CHECK_TEXT(addresses[i].expected, once, len);
		CHECK_INT(AMC_EMAIL_OK, canonical(once, len, twice, &len));
		CHECK_TEXT(addresses[i].expected, twice, len);
	}
}

static const struct
{
	const char *name;
	const char *text;
	size_t len;
	amc_email_status status;
} refusals[] = {
#define REFUSED(name, text, status)          \
	{                                        \
		name, text, sizeof(text) - 1, status \
	}
	REFUSED("empty", "", AMC_EMAIL_BLANK),
	REFUSED("blanks", " \t\n", AMC_EMAIL_BLANK),
	REFUSED("Unicode blanks", "\xe3\x80\x80" NO_BREAK BYTE_ORDER_MARK, AMC_EMAIL_BLANK),
	REFUSED("no sign", "example.com", AMC_EMAIL_FORM),
	REFUSED("no local part", "@example.com", AMC_EMAIL_FORM),
	REFUSED("no domain", "ana@", AMC_EMAIL_FORM),
	REFUSED("only a sign", "@", AMC_EMAIL_FORM),
	REFUSED("two signs", "a@b@c.d", AMC_EMAIL_FORM),
	REFUSED("two signs, one full-width",
			"a\xef\xbc\xa0"
			"b@c.d",
			AMC_EMAIL_FORM),
	REFUSED("no dot", "ana@localhost", AMC_EMAIL_FORM),
	REFUSED("dot first only", "ana@.com", AMC_EMAIL_FORM),
	REFUSED("dot last only", "ana@com.", AMC_EMAIL_FORM),
	REFUSED("only a dot", "ana@.", AMC_EMAIL_FORM),
	REFUSED("dot in the local part only", "a.b@c", AMC_EMAIL_FORM),
	REFUSED("blank inside", "ana maria@example.com", AMC_EMAIL_FORM),
	REFUSED("line break inside", "ana@example.com\nBcc: x@y.z", AMC_EMAIL_FORM),
	REFUSED("no-break blank inside", "a" NO_BREAK "b@c.d", AMC_EMAIL_FORM),
	REFUSED("U+FEFF inside", "a" BYTE_ORDER_MARK "b@c.d", AMC_EMAIL_FORM),
	REFUSED("next line U+0085 inside",
			"a\xc2\x85"
			"b@c.d",
			AMC_EMAIL_FORM),
	REFUSED("blank made by NFKC", "a\xc2\xa8@c.d", AMC_EMAIL_FORM),
	REFUSED("NUL", "a\0b@c.d", AMC_EMAIL_FORM),
	REFUSED("NUL at the end", "a@c.d\0", AMC_EMAIL_FORM),
	REFUSED("NUL in an A-label", "a@xn--bcher-kva\0.d", AMC_EMAIL_FORM),
	REFUSED("control character",
			"a\x01"
			"b@c.d",
			AMC_EMAIL_FORM),
	REFUSED("DEL",
			"a\x7f"
			"b@c.d",
			AMC_EMAIL_FORM),
	REFUSED("C1 control",
			"a\xc2\x9b"
			"b@c.d",
			AMC_EMAIL_FORM),
	REFUSED("invalid UTF-8", "a\xff@c.d", AMC_EMAIL_UTF8),
	REFUSED("cut UTF-8", "a@c.d\xc3", AMC_EMAIL_UTF8),
	REFUSED("surrogate", "a\xed\xa0\x80@c.d", AMC_EMAIL_UTF8),
#undef REFUSED
};

static void
refused(void)
{
	size_t i;

	for (i = 0; i < LENGTH_OF(refusals); i++)
	{
		char out[AMC_EMAIL_BYTES_MAX];
		size_t len;

		test_case(refusals[i].name);
		CHECK_INT(refusals[i].status, canonical(refusals[i].text, refusals[i].len, out, &len));
	}
}

static void
lengths(void)
{
	char *out = test_alloc(AMC_EMAIL_BYTES_MAX);
	char *text;
	size_t count;
	size_t len;

	test_case("254 and 255 bytes");
	text = test_repeat("a", 2000, &count);
	memcpy(text + 250, "@b.c", 4);
	CHECK_INT(AMC_EMAIL_OK, canonical(text, 254, out, &len));
	CHECK_INT(254, len);
	memcpy(text + 250, "a@b.c", 5);
	CHECK_INT(AMC_EMAIL_TOO_LONG, canonical(text, 255, out, &len));
	test_case("blanks around do not count against the form");
	memset(text, ' ', 1024);
	memcpy(text + 500, "a@b.c", 5);
	CHECK_INT(AMC_EMAIL_OK, canonical(text, 1024, out, &len));
	CHECK_INT(5, len);
	CHECK_INT(AMC_EMAIL_TOO_LONG, canonical(text, 1025, out, &len));
	test_case("letters that unfold eighteen times");
	text = test_repeat("\xef\xb7\xba", 341, &count);
	CHECK(canonical(text, count, out, &len) != AMC_EMAIL_OK);
	test_case("an A-label that becomes longer than the limit");
	text = test_repeat("xn--kgbechtv.", 60, &count);
	memcpy(text, "a@x.y.z.abcd.", 13);
	CHECK_INT(AMC_EMAIL_TOO_LONG, canonical(text, 20 * 13, out, &len));
	test_case("a thousand combining marks");
	text = test_repeat("\xcc\x81", 505, &count);
	memcpy(text, "a@b.cd", 6);
	CHECK_INT(AMC_EMAIL_TOO_LONG, canonical(text, count, out, &len));
}

void
test_email(void)
{
	canonical_forms();
	refused();
	lengths();
	test_case("texts");
	CHECK_TEXT("e-mail address is malformed", amc_email_status_text(AMC_EMAIL_FORM), 27);
	CHECK_TEXT("unknown status", amc_email_status_text((amc_email_status) 99), 14);
}

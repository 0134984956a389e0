/*
 * test_multipart.c
 *		Must hold: a body means the same however it is cut into pieces; what two readers
 *		could understand in two ways is malformed; no input is read or kept beyond its limit.
 *
 *		What the reader found is written as "name|filename|type|data;" for each part, a
 *		missing file name as "-", and "ok" or "malformed" behind it.
 */
#include "core/multipart.h"
#include "core/test/test.h"

#include <stdio.h>

#define FOUND_BYTES 65536

typedef struct found_text
{
	char text[FOUND_BYTES];
	size_t len;
	bool in_part;
} found_text;

typedef struct body_case
{
	const char *name;
	const char *body;
	size_t len;
	const char *expected;
} body_case;

#define BODY(text) text, sizeof(text) - 1
#define PART(disposition, more, data) \
	"--XX\r\nContent-Disposition: form-data; " disposition "\r\n" more "\r\n" data "\r\n"
#define FILE_PART(data) PART("name=\"f\"; filename=\"a\"", "", data)
#define END             "--XX--\r\n"

static void
append(found_text *found, const char *bytes, size_t len)
{
	if (len > sizeof(found->text) - found->len)
		len = sizeof(found->text) - found->len;
	memcpy(found->text + found->len, bytes, len);
	found->len += len;
}

static void
found_begin(void *state, const amc_multipart_part *part)
{
	found_text *found = state;

	CHECK(!found->in_part);
	found->in_part = true;
	append(found, part->name.ptr, part->name.len);
	append(found, "|", 1);
	if (part->filename.ptr == NULL)
		append(found, "-", 1);
	else
		append(found, part->filename.ptr, part->filename.len);
	append(found, "|", 1);
	append(found, part->type.ptr, part->type.len);
	append(found, "|", 1);
}

static void
found_data(void *state, const char *bytes, size_t len)
{
	found_text *found = state;

	CHECK(found->in_part && len > 0);
	append(found, bytes, len);
}

static void
found_end(void *state)
{
	found_text *found = state;

	CHECK(found->in_part);
	found->in_part = false;
	append(found, ";", 1);
}

/* Reads a body in pieces of so many bytes. */
static bool
read_body(const char *boundary, const char *body, size_t len, size_t piece, found_text *found)
{
	const amc_multipart_sink sink = {found, found_begin, found_data, found_end};
	amc_multipart reader;
	size_t at;

	found->len = 0;
	found->in_part = false;
	amc_multipart_init(&reader, boundary, strlen(boundary), &sink);
	for (at = 0; at < len; at += piece)
	{
		size_t step = len - at < piece ? len - at : piece;

		(void) amc_multipart_add(&reader, body + at, step);
	}
	return amc_multipart_end(&reader);
}

static const body_case cases[] = {
	{"file",
	 BODY(PART("name=\"f\"; filename=\"cv.txt\"", "Content-Type: Text/Plain; charset=x\r\n",
			   "hello") END),
	 "f|cv.txt|text/plain|hello;ok"},
	{"field", BODY(PART("name=\"f\"", "", "v") END), "f|-|text/plain|v;ok"},
	{"empty file", BODY(FILE_PART("") END), "f|a|text/plain|;ok"},
	{"no line break before the delimiter",
	 BODY("--XX\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n" END), "f|-|text/plain|;ok"},
	{"no part", BODY(END), "ok"},
	{"two of a name", BODY(FILE_PART("1") FILE_PART("2") END),
	 "f|a|text/plain|1;f|a|text/plain|2;ok"},
	{"no line break behind the end", BODY(FILE_PART("1") "--XX--"), "f|a|text/plain|1;ok"},
	{"blanks behind delimiters",
	 BODY("--XX \t\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n"
		  "--XX-- \t\r\n"),
	 "f|-|text/plain|1;ok"},
	{"preamble and epilogue",
	 BODY("pre --XX\r\nx\r\n" FILE_PART("1") END FILE_PART("late") "\r\n--XX"),
	 "f|a|text/plain|1;ok"},
	{"almost a delimiter",
	 BODY(FILE_PART("a--XX\r\n-XX\r\n--X\r\n\r\n--\r\r\n--X\r\n--\n--XX b") END),
	 "f|a|text/plain|a--XX\r\n-XX\r\n--X\r\n\r\n--\r\r\n--X\r\n--\n--XX b;ok"},
	{"line breaks around the data", BODY(FILE_PART("\r\n\r\r\n\n\r\n") END),
	 "f|a|text/plain|\r\n\r\r\n\n\r\n;ok"},
	{"begins with dashes", BODY(FILE_PART("--X") END), "f|a|text/plain|--X;ok"},
	{"begins with a line break", BODY(FILE_PART("\r\n--X") END), "f|a|text/plain|\r\n--X;ok"},
	{"other headers",
	 BODY(PART("name=f", "X-A: b\r\nContent-Transfer-Encoding: BINARY\r\n", "1") END),
	 "f|-|text/plain|1;ok"},
	{"no blanks, other case",
	 BODY("--XX\r\ncontent-DISPOSITION:FORM-data;NAME=f;FileName=a\r\n"
		  "content-type:A/b\r\n\r\n1\r\n" END),
	 "f|a|a/b|1;ok"},
	{"empty type", BODY(PART("name=f", "Content-Type:\r\n", "1") END), "f|-|text/plain|1;ok"},
	{"empty file name", BODY(PART("name=f; filename=\"\"", "", "") END), "f||text/plain|;ok"},
	{"escaped quotes", BODY(PART("name=f; filename=\"a\\\"b\\\\c\"", "", "1") END),
	 "f|a\"b\\c|text/plain|1;ok"},
	{"browsers' quotes", BODY(PART("name=f; filename=\"a%22b%0d%0Ac%2e%\"", "", "1") END),
	 "f|a\"b\r\nc%2e%|text/plain|1;ok"},
	{"path with backslashes", BODY(PART("name=f; filename=\"C:\\x\\cv.txt\"", "", "1") END),
	 "f|C:\\x\\cv.txt|text/plain|1;ok"},
	{"semicolon and name in a file name",
	 BODY(PART("filename=\"a; name=b\"; name=\"f\"", "", "1") END), "f|a; name=b|text/plain|1;ok"},
	{"filename* is ignored", BODY(PART("name=f; filename*=utf-8''b; filename=a", "", "1") END),
	 "f|a|text/plain|1;ok"},
	{"controls in a file name", BODY(PART("name=f; filename=\"a\x01\x7f\tb\"", "", "1") END),
	 "f|a\x01\x7f\tb|text/plain|1;ok"},
	{"raw bytes in a file name", BODY(PART("name=f; filename=\"\xc3\xa9\xff\"", "", "1") END),
	 "f|\xc3\xa9\xff|text/plain|1;ok"},
	{"nested",
	 BODY(PART("name=f", "Content-Type: multipart/mixed; boundary=YY\r\n",
			   "--YY\r\nContent-Disposition: file; filename=in\r\n\r\n1\r\n--YY--") END),
	 "f|-|multipart/mixed|--YY\r\nContent-Disposition: file; filename=in\r\n\r\n1\r\n--YY--;ok"},

	{"empty", BODY(""), "malformed"},
	{"no boundary", BODY("hello"), "malformed"},
	{"no end", BODY(FILE_PART("1")), "f|a|text/plain|1malformed"},
	{"end without dashes", BODY(FILE_PART("1") "--XX\r\n"), "f|a|text/plain|1;malformed"},
	{"end with one dash", BODY(FILE_PART("1") "--XX-"), "f|a|text/plain|1;malformed"},
	{"end with one dash and more", BODY(FILE_PART("1") "--XX-\r\n"), "f|a|text/plain|1;malformed"},
	{"text behind the end", BODY(FILE_PART("1") "--XX--x\r\n"), "f|a|text/plain|1;malformed"},
	{"half a line break behind the end", BODY(FILE_PART("1") "--XX--\rx"),
	 "f|a|text/plain|1;malformed"},
	{"a line that begins with the boundary", BODY(FILE_PART("1\r\n--XXY\r\n2") END),
	 "f|a|text/plain|1;malformed"},
	{"padding, then the end", BODY(FILE_PART("1") "--XX --\r\n"), "f|a|text/plain|1;malformed"},
	{"LF alone", BODY("--XX\nContent-Disposition: form-data; name=f\n\n1\n--XX--\n"), "malformed"},
	{"LF in headers", BODY("--XX\r\nContent-Disposition: form-data; name=f\n\r\n1\r\n" END),
	 "malformed"},
	{"CR in headers", BODY(PART("name=\"f\rg\"", "", "1") END), "malformed"},
	{"NUL in a name", BODY(PART("name=\"f\0g\"", "", "1") END), "malformed"},
	{"no disposition", BODY("--XX\r\nContent-Type: a/b\r\n\r\n1\r\n" END), "malformed"},
	{"no header", BODY("--XX\r\n\r\n1\r\n" END), "malformed"},
	{"attachment", BODY("--XX\r\nContent-Disposition: attachment; name=f\r\n\r\n1\r\n" END),
	 "malformed"},
	{"no name", BODY(PART("filename=a", "", "1") END), "malformed"},
	{"no parameter", BODY("--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END), "malformed"},
	{"two names", BODY(PART("name=f; name=f", "", "1") END), "malformed"},
	{"two file names", BODY(PART("name=f; filename=a; filename=b", "", "1") END), "malformed"},
	{"two dispositions",
	 BODY(PART("name=f", "Content-Disposition: form-data; name=g\r\n", "1") END), "malformed"},
	{"two types", BODY(PART("name=f", "Content-Type: a/b\r\nContent-Type: c/d\r\n", "1") END),
	 "malformed"},
	{"type of one word", BODY(PART("name=f", "Content-Type: text\r\n", "1") END), "malformed"},
	{"type with two slashes", BODY(PART("name=f", "Content-Type: a/b/c\r\n", "1") END),
	 "malformed"},
	{"type without a subtype", BODY(PART("name=f", "Content-Type: a/\r\n", "1") END), "malformed"},
	{"transfer encoding", BODY(PART("name=f", "Content-Transfer-Encoding: base64\r\n", "MQ==") END),
	 "malformed"},
	{"folded header", BODY("--XX\r\nContent-Disposition: form-data;\r\n name=f\r\n\r\n1\r\n" END),
	 "malformed"},
	{"blank before the colon", BODY(PART("name=f", "Content-Type : a/b\r\n", "1") END),
	 "malformed"},
	{"no colon", BODY(PART("name=f", "Content-Type\r\n", "1") END), "malformed"},
	{"no header name", BODY(PART("name=f", ": a\r\n", "1") END), "malformed"},
	{"open quote", BODY(PART("name=\"f", "", "1") END), "malformed"},
	{"quote that is escaped", BODY(PART("name=f; filename=\"a\\\"", "", "1") END), "malformed"},
	{"text behind a quote", BODY(PART("name=\"f\"g", "", "1") END), "malformed"},
	{"parameter without a value", BODY(PART("name=f; filename", "", "1") END), "malformed"},
	{"parameter with no value", BODY(PART("name=f; filename=", "", "1") END), "malformed"},
	{"blanks around the equals sign", BODY(PART("name = f", "", "1") END), "malformed"},
};

static void
check_case(const body_case *expected, size_t piece)
{
	static found_text found;
	bool ok =
		read_body("XX", test_copy(expected->body, expected->len), expected->len, piece, &found);

	/* what was cut off inside a part is data that came before it was known to be malformed */
	append(&found, ok ? "ok" : "malformed", ok ? 2 : 9);
	CHECK_TEXT(expected->expected, found.text, found.len);
	CHECK(!ok || !found.in_part);
}

typedef struct boundary_case
{
	const char *content_type;
	const char *boundary; /* NULL = none that can be used */
} boundary_case;

#define TEN     "0123456789"
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static const boundary_case boundaries[] = {
	{"multipart/form-data; boundary=XX", "XX"},
	{"Multipart/FORM-data ;charset=utf-8;; BOUNDARY=\"X X\";", "X X"},
	{"multipart/form-data; xboundary=YY; boundary=XX", "XX"},
	{"multipart/form-data; a=\"; boundary=YY\"; boundary=XX", "XX"},
	{"multipart/form-data; boundary=----=_Part_1:2?(3),/'+.", "----=_Part_1:2?(3),/'+."},
	{"multipart/form-data; boundary=" SEVENTY, SEVENTY},
	{"multipart/form-data; boundary=" SEVENTY "1", NULL},
	{"multipart/form-data", NULL},
	{"multipart/form-data;", NULL},
	{"multipart/form-data; boundary", NULL},
	{"multipart/form-data; boundary=", NULL},
	{"multipart/form-data; boundary=\"\"", NULL},
	{"multipart/form-data; boundary=\"X", NULL},
	{"multipart/form-data; boundary=\"X \"", NULL},
	{"multipart/form-data; boundary=\"X\\\"\"", NULL},
	{"multipart/form-data; boundary=X\xc3\xa9", NULL},
	{"multipart/form-data; boundary=X*", NULL},
	{"multipart/form-data; boundary=XX; boundary=XX", NULL},
	{"multipart/form-data boundary=XX", NULL},
	{"multipart/form-data; boundary=XX YY", NULL},
	{"multipart/form-dat; boundary=XX", NULL},
	{"multipart/form-data2; boundary=XX", NULL},
	{"multipart/mixed; boundary=XX", NULL},
	{"application/json", NULL},
	{"", NULL},
};

static void
check_boundaries(void)
{
	char out[AMC_MULTIPART_BOUNDARY_BYTES_MAX];
	size_t i;

	for (i = 0; i < LENGTH_OF(boundaries); i++)
	{
		size_t len = strlen(boundaries[i].content_type);
		const char *copy = test_copy(boundaries[i].content_type, len);
		const char *expected = boundaries[i].boundary == NULL ? "" : boundaries[i].boundary;

		test_case(boundaries[i].content_type);
		len = amc_multipart_boundary(copy, len, out);
		CHECK_TEXT(expected, out, len);
	}
	test_case("no header");
	CHECK_INT(0, amc_multipart_boundary(NULL, 0, out));
}

/* A body of one header line with a value of so many bytes. */
static bool
long_header(const char *start, size_t value_len, const char *rest)
{
	static found_text found;
	static char body[1024 * 1024 + 1024];
	int len;

	len = snprintf(body, sizeof(body), "--XX\r\n%s%0*d%s\r\n\r\n1\r\n--XX--\r\n", start,
				   (int) value_len, 0, rest);
	return read_body("XX", test_copy(body, (size_t) len), (size_t) len, 1000, &found);
}

static bool
read_parts(size_t count, found_text *found)
{
	size_t len;
	const char *parts = test_repeat(FILE_PART("1"), count, &len);
	char *body = test_alloc(len + sizeof(END) - 1);

	memcpy(body, parts, len);
	memcpy(body + len, END, sizeof(END) - 1);
	return read_body("XX", body, len + sizeof(END) - 1, 1000, found);
}

static void
check_limits(void)
{
	static found_text found;
	const char *disposition = "Content-Disposition: form-data; name=";
	const char *with_file = "Content-Disposition: form-data; name=f; filename=";
	const char *with_type = "Content-Disposition: form-data; name=f\r\nContent-Type: a/";
	char *parts;
	size_t count;
	size_t len;
	size_t i;

	test_case("longest name, file name, type and line");
	CHECK(long_header(disposition, AMC_MULTIPART_NAME_BYTES_MAX, ""));
	CHECK(!long_header(disposition, AMC_MULTIPART_NAME_BYTES_MAX + 1, ""));
	CHECK(long_header(with_file, AMC_MULTIPART_FILENAME_BYTES_MAX, ""));
	CHECK(!long_header(with_file, AMC_MULTIPART_FILENAME_BYTES_MAX + 1, ""));
	CHECK(long_header(with_type, AMC_MULTIPART_TYPE_BYTES_MAX - 2, ""));
	CHECK(!long_header(with_type, AMC_MULTIPART_TYPE_BYTES_MAX - 1, ""));
	CHECK(long_header("X: ", AMC_MULTIPART_LINE_BYTES_MAX - 3,
					  "\r\nContent-Disposition: form-data; name=f"));
	CHECK(!long_header("X: ", AMC_MULTIPART_LINE_BYTES_MAX - 2,
					   "\r\nContent-Disposition: form-data; name=f"));
	CHECK(!long_header(with_file, 1024 * 1024, ""));

	for (count = AMC_MULTIPART_PARTS_MAX; count <= 10000; count += 10000 - AMC_MULTIPART_PARTS_MAX)
	{
		bool fits = count == AMC_MULTIPART_PARTS_MAX;

		test_case(fits ? "most parts" : "10,000 parts");
		CHECK_INT(fits, read_parts(count, &found));
	}

	test_case("headers of all parts together");
	parts = test_repeat("X: 0123456789\r\n", 1000, &len);
	memcpy(parts, "--XX\r\nX:", 8);
	CHECK(!read_body("XX", parts, len, 1000, &found));

	test_case("longest boundary");
	for (i = 1; i < 4; i++)
		CHECK(read_body(SEVENTY, BODY("--" SEVENTY "--"), i, &found));
}

void
test_multipart(void)
{
	size_t i;
	size_t piece;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].name);
		for (piece = 1; piece <= 20; piece++)
			check_case(&cases[i], piece);
		check_case(&cases[i], 4096);
	}
	check_boundaries();
	check_limits();
}

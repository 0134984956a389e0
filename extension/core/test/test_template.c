/*
 * test_template.c
 *		Must hold: a template has well-formed tags of known names only, and a value put into it
 *		stays a value: it opens no tag, no element, no attribute, no header and no line.
 */
#include "core/template.h"
#include "core/test/test.h"

#define OUT_BYTES 512

static const amc_span names[] = {{"app", 3}, {"code", 4}, {"link", 4}};

static const amc_template_value values[] = {
	{{"app", 3}, {"A & B", 5}},
	{{"code", 4}, {"012345", 6}},
	{{"link", 4}, {NULL, 0}},
	{{"evil", 4}, {"<a href=\"x\" b='y'>\r\nBcc: z\t{{code}}\x7f", 36}},
};

static const struct
{
	const char *text;
	amc_template_fault fault;
	const char *where;
	uint32_t shown;
} checked[] = {
	{"", AMC_TEMPLATE_OK, "", 0},
	{"no tag { } }} {x}", AMC_TEMPLATE_OK, "", 0},
	{"{{app}}{{code}}{{app}}", AMC_TEMPLATE_OK, "", 3},
	{"{{#link}}{{code}}{{/link}}{{^link}}x{{/link}}", AMC_TEMPLATE_OK, "", 2},
	{"{{#link}}{{/link}}", AMC_TEMPLATE_OK, "", 0},
	{"a {{name}} b", AMC_TEMPLATE_UNKNOWN, "{{name}}", 0},
	{"{{code}}{{cod}}", AMC_TEMPLATE_UNKNOWN, "{{cod}}", 2},
	{"{{codes}}", AMC_TEMPLATE_UNKNOWN, "{{codes}}", 0},
	{"{{#who}}{{/who}}", AMC_TEMPLATE_UNKNOWN, "{{#who}}", 0},
	{"{{ code }}", AMC_TEMPLATE_TAG, "{{ code }}", 0},
	{"{{Code}}", AMC_TEMPLATE_TAG, "{{Code}}", 0},
	{"{{code}", AMC_TEMPLATE_TAG, "{{code}", 0},
	{"{{code", AMC_TEMPLATE_TAG, "{{code", 0},
	{"{{{code}}}", AMC_TEMPLATE_TAG, "{{{code}}", 0},
	{"x{{", AMC_TEMPLATE_TAG, "{{", 0},
	{"x{{#", AMC_TEMPLATE_TAG, "{{#", 0},
	{"{{}}", AMC_TEMPLATE_TAG, "{{}}", 0},
	{"{{&code}}", AMC_TEMPLATE_TAG, "{{&code}}", 0},
	{"{{!comment\nof two lines}}", AMC_TEMPLATE_TAG, "{{!comment", 0},
	{"{{abcdefghijklmnopqrstuvwxyzabcdefghijkl}}", AMC_TEMPLATE_TAG,
	 "{{abcdefghijklmnopqrstuvwxyzabcdefgh", 0},
	{"{{#link}}{{#app}}", AMC_TEMPLATE_NESTED, "{{#app}}", 0},
	{"{{#link}}{{^link}}", AMC_TEMPLATE_NESTED, "{{^link}}", 0},
	{"{{/link}}", AMC_TEMPLATE_UNOPENED, "{{/link}}", 0},
	{"{{#link}}{{/app}}", AMC_TEMPLATE_UNOPENED, "{{/app}}", 0},
	{"{{#link}}x{{/link}}{{/link}}", AMC_TEMPLATE_UNOPENED, "{{/link}}", 0},
	{"{{^link}} {{code}}", AMC_TEMPLATE_UNCLOSED, "link", 2},
};

static const struct
{
	const char *text;
	const char *plain;
	const char *html;
} rendered[] = {
	{"", "", ""},
	{"{{app}} &amp; <b>", "A & B &amp; <b>", "A &amp; B &amp; <b>"},
	{"[{{code}}]", "[012345]", "[012345]"},
	{"[{{link}}{{who}}]", "[]", "[]"},
	{"a{{#link}}b{{code}}{{/link}}c", "ac", "ac"},
	{"a{{^link}}b{{code}}{{/link}}c", "ab012345c", "ab012345c"},
	{"a{{#code}}b{{/code}}{{^code}}c{{/code}}", "ab", "ab"},
	{"{{evil}}", "<a href=\"x\" b='y'>  Bcc: z {{code}} ",
	 "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;  Bcc: z {{code}} "},
	{"a{{b", "ab", "ab"},
};

static void
check_all(void)
{
	amc_span where;
	uint32_t shown;

	for (size_t i = 0; i < LENGTH_OF(checked); i++)
	{
		size_t len = strlen(checked[i].text);
		amc_span text = {test_copy(checked[i].text, len), len};

		test_case(checked[i].text);
		CHECK_INT(checked[i].fault,
				  amc_template_check(text, names, LENGTH_OF(names), &shown, &where));
		CHECK_TEXT(checked[i].where, where.ptr, where.len);
		CHECK_INT(checked[i].shown, shown);
		CHECK(strlen(amc_template_fault_text(checked[i].fault)) > 0);
	}
}

static void
render_one(const char *template, const char *expected, amc_template_form form)
{
	size_t len = strlen(template);
	amc_span text = {test_copy(template, len), len};
	size_t expected_len = strlen(expected);
	size_t bytes = amc_template_render(text, values, LENGTH_OF(values), form, NULL, 0);
	char *out = test_alloc(bytes);

	CHECK_INT(expected_len, bytes);
	CHECK_INT(bytes, amc_template_render(text, values, LENGTH_OF(values), form, out, bytes));
	CHECK_TEXT(expected, out, bytes);
	/* Too little room: the same begin, the same count. */
	for (size_t room = 0; room < bytes; room++)
	{
		out = test_alloc(room);
		CHECK_INT(bytes, amc_template_render(text, values, LENGTH_OF(values), form, out, room));
		CHECK(memcmp(out, expected, room) == 0);
	}
}

static void
check_bound(void)
{
	amc_span where;
	uint32_t shown;
	size_t len;
	char *text;

	test_case("as many tags as allowed, and one more");
	text = test_repeat("{{code}}", AMC_TEMPLATE_TAGS_MAX, &len);
	CHECK_INT(AMC_TEMPLATE_OK,
			  amc_template_check((amc_span){text, len}, names, LENGTH_OF(names), &shown, &where));
	text = test_repeat("{{code}}", AMC_TEMPLATE_TAGS_MAX + 1, &len);
	CHECK_INT(AMC_TEMPLATE_TAGS,
			  amc_template_check((amc_span){text, len}, names, LENGTH_OF(names), &shown, &where));
}

void
test_template(void)
{
	check_all();
	for (size_t i = 0; i < LENGTH_OF(rendered); i++)
	{
		test_case(rendered[i].text);
		render_one(rendered[i].text, rendered[i].plain, AMC_TEMPLATE_PLAIN);
		render_one(rendered[i].text, rendered[i].html, AMC_TEMPLATE_HTML);
	}
	check_bound();
}

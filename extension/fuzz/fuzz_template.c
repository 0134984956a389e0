/*
 * fuzz_template.c
 *		Rendering counts what it writes, stays within its bound, and a value stays a value:
 *		nothing in it opens an element, an attribute or a line. The input is a template, a NUL,
 *		and a value.
 */
#include "core/template.h"
#include "fuzz.h"

static const amc_span names[] = {{"code", 4}, {"link", 4}};

static size_t
render(amc_span text, amc_span value, amc_template_form form)
{
	amc_template_value values[] = {{{"code", 4}, value}, {{"link", 4}, {NULL, 0}}};
	size_t bytes = amc_template_render(text, values, 2, form, NULL, 0);
	char *out = malloc(bytes + 1);

	REQUIRE(out != NULL);
	REQUIRE(amc_template_render(text, values, 2, form, out, bytes) == bytes);
	free(out);
	return bytes;
}

static void
check_value(amc_span value)
{
	amc_template_value values[] = {{{"code", 4}, value}};
	size_t bytes = amc_template_render(AMC_SPAN("{{code}}"), values, 1, AMC_TEMPLATE_HTML, NULL, 0);
	char *out = malloc(bytes + 1);
	size_t i;

	REQUIRE(out != NULL && bytes >= value.len && bytes <= value.len * 6);
	(void) amc_template_render(AMC_SPAN("{{code}}"), values, 1, AMC_TEMPLATE_HTML, out, bytes);
	for (i = 0; i < bytes; i++)
		REQUIRE((unsigned char) out[i] >= ' ' && out[i] != 0x7f && strchr("<>\"'", out[i]) == NULL);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	const char *separator = size == 0 ? NULL : memchr(text, '\0', size);
	size_t len = separator == NULL ? size : (size_t) (separator - text);
	amc_span template = {text, len};
	amc_span value = {separator == NULL ? text : separator + 1,
					  separator == NULL ? size : size - len - 1};
	amc_template_fault fault;
	amc_span where;
	uint32_t shown;

	fault = amc_template_check(template, names, 2, &shown, &where);
	REQUIRE(shown < 4);
	REQUIRE(where.len <= AMC_TEMPLATE_NAME_BYTES_MAX + 5);
	REQUIRE(where.len == 0 || (where.ptr >= text && where.ptr + where.len <= text + len));
	REQUIRE(render(template, value, AMC_TEMPLATE_PLAIN) <=
			render(template, value, AMC_TEMPLATE_HTML));
	if (fault == AMC_TEMPLATE_OK)
		REQUIRE(render(template, value, AMC_TEMPLATE_HTML) <=
				len + AMC_TEMPLATE_TAGS_MAX * 6 * value.len);
	check_value(value);
	return 0;
}

/*
 * mail_render.c
 *
 * How a mail reads: its template with the values of its parameters, as subject, text and HTML.
 *
 * A value comes from the mail's own parameters, or from what is configured: the name of the
 * service (authmeter.mail_app) and the page that a link leads to, which the template names by its
 * setting. Nothing comes from a request. Values are escaped in HTML, and can begin no line anywhere
 * (see core/template.h).
 *
 * An override of an operator goes before the built-in template of its name. A mail whose template
 * is gone or never was reads like the built-in "code".
 */
#include "compat.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#include "core/json.h"
#include "crypto/secret.h"
#include "mail.h"
#include "row.h"
#include "setting.h"
#include "setting_table.h"
#include "spi.h"

#define PARAMS_NODES_MAX 64
#define FALLBACK         "code"
#define LINK_TOKEN       "{token}"

/* A shorter secret would blot out half of an error text. */
#define SECRET_BYTES_MIN 4
#define SECRET_SHOWN     "***"

PG_FUNCTION_INFO_V1(authmeter_mail_error_text);
PG_FUNCTION_INFO_V1(authmeter_mail_render);
PG_FUNCTION_INFO_V1(authmeter_mail_template_check);
PG_FUNCTION_INFO_V1(authmeter_mail_template_preview);

/* Built in = false sorts first. */
static AmPlan template_plan = {
	"SELECT t.subject, t.text, t.html, (SELECT b.link_setting FROM authmeter.mail_template b "
	"WHERE b.name" AM_EQ "t.name AND b.builtin) FROM authmeter.mail_template t "
	"WHERE t.name" AM_EQ "$1 ORDER BY t.builtin LIMIT 1",
	1,
	{TEXTOID},
	NULL};
static AmPlan mail_plan = {"SELECT m.template, m.recipient, u.name FROM authmeter.mail_outbox m "
						   "LEFT JOIN authmeter.user u ON u.id" AM_EQ "m.user_id WHERE m.id" AM_EQ
						   "$1",
						   1,
						   {UUIDOID},
						   NULL};

static const amc_span value_names[] = {
#define X(name, text, secret) AMC_SPAN(text),
	AM_MAIL_VALUES(X)
#undef X
};

typedef struct MailTemplate
{
	char *subject;
	char *text;
	char *html;         /* NULL = text only */
	char *link_setting; /* names the page that a token leads to; NULL = none */
} MailTemplate;

static amc_span
span_of(const char *text)
{
	return (amc_span){text, text != NULL ? strlen(text) : 0};
}

bool
am_mail_value_secret(AmMailValue value)
{
	static const bool secrets[] = {
#define X(name, text, secret) secret,
		AM_MAIL_VALUES(X)
#undef X
	};

	return secrets[value];
}

/* ---- values ---- */

static void
values_init(AmMailValues *values)
{
	int i;

	for (i = 0; i < AM_MAIL_VALUE_COUNT; i++)
		values->value[i] = (amc_template_value){value_names[i], {NULL, 0}};
}

static amc_template_value *
value_named(AmMailValues *values, const amc_json *doc, const amc_json_node *key)
{
	int i;

	for (i = 0; i < AM_MAIL_VALUE_COUNT; i++)
		if (amc_json_string_equals(doc, key, value_names[i].ptr, value_names[i].len))
			return &values->value[i];
	return NULL;
}

/* Decoded text grows into wiped memory: it may be a code. */
static bool
value_take(const amc_json *doc, const amc_json_node *node, amc_span *value)
{
	amc_span raw;

	if (node->type == AMC_JSON_NUMBER_VALUE)
	{
		*value = amc_json_text(doc, node);
		return true;
	}
	if (node->type != AMC_JSON_STRING)
		return false;
	raw = amc_json_string_raw(doc, node);
	return amc_json_string(doc, node, am_secret_alloc(CurrentMemoryContext, raw.len + 1), raw.len,
						   value);
}

bool
am_mail_values_read(const char *params, Size len, AmMailValues *values, const char **why)
{
	static const amc_json_limits limits = {AM_MAIL_PARAMS_BYTES_MAX, 1, PARAMS_NODES_MAX};
	amc_json_node nodes[PARAMS_NODES_MAX];
	const amc_json_node *key;
	amc_json doc;

	values_init(values);
	*why = "Pass a flat JSON object of strings and numbers.";
	if (amc_json_parse(params, len, &limits, nodes, &doc) != AMC_JSON_OK ||
		amc_json_root(&doc)->type != AMC_JSON_OBJECT)
		return false;
	for (key = amc_json_first(&doc, amc_json_root(&doc)); key != NULL;)
	{
		const amc_json_node *node = amc_json_after(&doc, key);
		amc_template_value *value = value_named(values, &doc, key);

		if (value == NULL)
		{
			*why = "The parameters are app, code, email, link, minutes, name and token.";
			return false;
		}
		if (!value_take(&doc, node, &value->value))
			return false;
		key = amc_json_after(&doc, node);
	}
	return true;
}

static void
value_default(AmMailValues *values, AmMailValue which, const char *text)
{
	if (values->value[which].value.len == 0)
		values->value[which].value = span_of(text);
}

/* The page of the setting with the token in its place, or behind it as a query parameter. */
static char *
link_build(const char *page, amc_span token)
{
	const char *place = strstr(page, LINK_TOKEN);
	StringInfoData link;

	initStringInfo(&link);
	if (place != NULL)
		appendBinaryStringInfo(&link, page, (int) (place - page));
	else
		appendStringInfo(&link, "%s%ctoken=", page, strchr(page, '?') != NULL ? '&' : '?');
	appendBinaryStringInfo(&link, token.ptr, (int) token.len);
	if (place != NULL)
		appendStringInfoString(&link, place + strlen(LINK_TOKEN));
	am_secret_watch(CurrentMemoryContext, link.data, link.len);
	return link.data;
}

/* Only what needs no encoding in a URL: our own tokens are of nothing else. */
static bool
token_plain(amc_span token)
{
	size_t i;

	for (i = 0; i < token.len; i++)
		if (!isalnum((unsigned char) token.ptr[i]) && strchr("-._~", token.ptr[i]) == NULL)
			return false;
	return token.len > 0;
}

static void
values_complete(AmMailValues *values, const MailTemplate *template)
{
	amc_span token = values->value[AM_MAIL_VALUE_TOKEN].value;
	AmSettingId page = template->link_setting != NULL ? am_setting_lookup(template->link_setting)
													  : AM_SETTING_COUNT;

	value_default(values, AM_MAIL_VALUE_APP, am_setting_text(AM_SETTING_MAIL_APP));
	if (page != AM_SETTING_COUNT && am_setting_text(page)[0] != '\0' && token_plain(token))
		value_default(values, AM_MAIL_VALUE_LINK, link_build(am_setting_text(page), token));
}

/* ---- rendering ---- */

static bool
template_read(const char *name, MailTemplate *template)
{
	MemoryContext cxt = CurrentMemoryContext;
	Datum value = CStringGetTextDatum(name);
	bool found;

	am_spi_begin();
	found = am_spi_read(&template_plan, &value, NULL, 1) == 1;
	if (found)
	{
		template->subject = am_spi_text(0, 1, cxt);
		template->text = am_spi_text(0, 2, cxt);
		template->html = am_spi_null(0, 3) ? NULL : am_spi_text(0, 3, cxt);
		template->link_setting = am_spi_null(0, 4) ? NULL : am_spi_text(0, 4, cxt);
	}
	am_spi_end();
	return found;
}

static Datum
part_render(const char *template, const AmMailValues *values, amc_template_form form)
{
	amc_span part = span_of(template);
	size_t len = amc_template_render(part, values->value, AM_MAIL_VALUE_COUNT, form, NULL, 0);
	text *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	(void) amc_template_render(part, values->value, AM_MAIL_VALUE_COUNT, form, VARDATA(result),
							   len);
	am_secret_watch(CurrentMemoryContext, VARDATA(result), len);
	return PointerGetDatum(result);
}

/* The row (subject, text, html) of a mail in the template of that name. */
static Datum
mail_render(FunctionCallInfo fcinfo, const char *name, AmMailValues *values)
{
	bool nulls[3] = {false, false, false};
	Datum row[3] = {0};
	MailTemplate template;

	if (!template_read(name, &template) && !template_read(FALLBACK, &template))
		ereport(ERROR, errcode(ERRCODE_AM_MAIL_INVALID), errmsg("mail template does not exist"));
	values_complete(values, &template);
	row[0] = part_render(template.subject, values, AMC_TEMPLATE_PLAIN);
	row[1] = part_render(template.text, values, AMC_TEMPLATE_PLAIN);
	nulls[2] = template.html == NULL;
	if (!nulls[2])
		row[2] = part_render(template.html, values, AMC_TEMPLATE_HTML);
	return am_row(fcinfo, row, nulls);
}

/* What the outbox says of a mail; false when there is no such mail. */
static bool
mail_read(const pg_uuid_t *id, char **template, char **recipient, char **name)
{
	MemoryContext cxt = CurrentMemoryContext;
	Datum value = UUIDPGetDatum(id);
	bool found;

	am_spi_begin();
	found = am_spi_run(&mail_plan, &value, NULL, 1) == 1;
	if (found)
	{
		*template = am_spi_text(0, 1, cxt);
		*recipient = am_spi_text(0, 2, cxt);
		*name = am_spi_null(0, 3) ? NULL : am_spi_text(0, 3, cxt);
	}
	am_spi_end();
	return found;
}

/* authmeter.mail_render(id): how a mail of the outbox reads. */
Datum
authmeter_mail_render(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	const char *why = NULL;
	char *template = NULL;
	char *recipient = NULL;
	char *name = NULL;
	char *params;
	Size len = 0;
	AmMailValues values;

	if (!mail_read(id, &template, &recipient, &name))
		PG_RETURN_NULL();
	params = am_mail_params(id, &len);
	if (params == NULL)
		PG_RETURN_NULL();
	if (!am_mail_values_read(params, len, &values, &why))
		ereport(ERROR, errcode(ERRCODE_AM_MAIL_INVALID), errmsg("invalid parameters of a mail"),
				errhint("%s", why));
	value_default(&values, AM_MAIL_VALUE_EMAIL, recipient);
	value_default(&values, AM_MAIL_VALUE_NAME, name);
	return mail_render(fcinfo, template, &values);
}

/* authmeter.mail_template_preview(name, params): how such a mail would read. */
Datum
authmeter_mail_template_preview(PG_FUNCTION_ARGS)
{
	Jsonb *params = PG_GETARG_JSONB_P(1);
	char *said = JsonbToCString(NULL, &params->root, VARSIZE(params));
	const char *why = NULL;
	AmMailValues values;

	if (!am_mail_values_read(said, strlen(said), &values, &why))
		ereport(ERROR, errcode(ERRCODE_AM_MAIL_INVALID), errmsg("invalid parameters of a mail"),
				errhint("%s", why));
	return mail_render(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(0)), &values);
}

/* ---- checking templates ---- */

static _Noreturn void
template_refuse(const char *part, const char *what, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_MAIL_INVALID),
			errmsg("invalid %s of a mail template: %s", part, what), errhint("%s", hint));
}

/* The values that a part shows, as bits. */
static uint32
part_check(const char *part, amc_span text, Size bytes_max)
{
	amc_template_fault fault;
	amc_span where;
	uint32_t shown;

	if (text.len == 0 || text.len > bytes_max)
		template_refuse(part, "wrong length", psprintf("It has 1 to %zu bytes.", bytes_max));
	fault = amc_template_check(text, value_names, lengthof(value_names), &shown, &where);
	if (fault != AMC_TEMPLATE_OK)
		template_refuse(
			part,
			psprintf("%s \"%.*s\"", amc_template_fault_text(fault), (int) where.len, where.ptr),
			"The placeholders are {{app}}, {{code}}, {{email}}, {{link}}, {{minutes}}, "
			"{{name}} and {{token}}; {{#link}} and {{/link}} enclose what stands there "
			"only with a link, {{^link}} and {{/link}} what stands there only without.");
	return shown;
}

static void
subject_check(amc_span subject)
{
	uint32 shown = part_check("subject", subject, AM_MAIL_SUBJECT_BYTES_MAX);
	size_t i;

	for (i = 0; i < subject.len; i++)
		if ((unsigned char) subject.ptr[i] < ' ' || subject.ptr[i] == 0x7f)
			template_refuse("subject", "line end or control character", "A subject is one line.");
	for (i = 0; i < AM_MAIL_VALUE_COUNT; i++)
		if ((shown & (UINT32_C(1) << i)) != 0 && am_mail_value_secret((AmMailValue) i))
			template_refuse("subject", psprintf("it shows {{%s}}", value_names[i].ptr),
							"Mail servers write subjects into their logs.");
}

static bool
name_shown(const char *name, uint32 shown)
{
	int i;

	for (i = 0; i < AM_MAIL_VALUE_COUNT; i++)
		if ((shown & (UINT32_C(1) << i)) != 0 && strcmp(name, value_names[i].ptr) == 0)
			return true;
	return false;
}

/* The part must show one of these names; NULL and none ask for nothing. */
static void
required_check(const char *part, uint32 shown, ArrayType *required)
{
	const char *wanted = NULL;
	Datum *names;
	bool *nulls;
	int count;
	int i;

	if (required == NULL)
		return;
	deconstruct_array(required, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		const char *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);

		if (name != NULL && name_shown(name, shown))
			return;
		wanted = wanted != NULL ? wanted : name;
	}
	if (wanted != NULL)
		template_refuse(part, "it does not show what the mail is for",
						psprintf("Show {{%s}}.", wanted));
}

static amc_span
text_argument(FunctionCallInfo fcinfo, int number)
{
	text *value = PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);

	if (value == NULL)
		return (amc_span){NULL, 0};
	return (amc_span){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* authmeter.mail_template_check(subject, text, html, required) raises what is wrong. */
Datum
authmeter_mail_template_check(PG_FUNCTION_ARGS)
{
	ArrayType *required = PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3);
	uint32 shown;

	subject_check(text_argument(fcinfo, 0));
	shown = part_check("text", text_argument(fcinfo, 1), AM_MAIL_BODY_BYTES_MAX);
	required_check("text", shown, required);
	if (!PG_ARGISNULL(2))
	{
		shown = part_check("HTML", text_argument(fcinfo, 2), AM_MAIL_BODY_BYTES_MAX);
		required_check("HTML", shown, required);
	}
	PG_RETURN_VOID();
}

/* ---- what servers say ---- */

/* Replaces every occurrence; servers quote what they refuse. */
static char *
secret_hide(char *error, amc_span secret)
{
	char *word = pnstrdup(secret.ptr, secret.len);
	char *at;

	while ((at = strstr(error, word)) != NULL)
		error = psprintf("%.*s%s%s", (int) (at - error), error, SECRET_SHOWN, at + secret.len);
	am_secret_wipe(word, secret.len);
	return error;
}

static void
error_cut(char *error, int bytes_max)
{
	error[pg_mbcliplen(error, (int) strlen(error), bytes_max)] = '\0';
}

/*
 * authmeter.mail_error_text(id, error): what may be kept of an error: one line, bounded, without
 * the secrets of the mail. NULL when these are forgotten already.
 */
Datum
authmeter_mail_error_text(PG_FUNCTION_ARGS)
{
	Size len = 0;
	char *params = am_mail_params(PG_GETARG_UUID_P(0), &len);
	char *error = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *why = NULL;
	AmMailValues values;
	char *p;
	int i;

	if (params == NULL || !am_mail_values_read(params, len, &values, &why))
		PG_RETURN_NULL();
	error_cut(error, AM_MAIL_PARAMS_BYTES_MAX);
	for (i = 0; i < AM_MAIL_VALUE_COUNT; i++)
		if (am_mail_value_secret((AmMailValue) i) && values.value[i].value.len >= SECRET_BYTES_MIN)
			error = secret_hide(error, values.value[i].value);
	for (p = error; *p != '\0'; p++)
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			*p = ' ';
	error_cut(error, AM_MAIL_ERROR_BYTES_MAX);
	PG_RETURN_TEXT_P(cstring_to_text(error));
}

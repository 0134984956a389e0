/*
 * http_autoverse.c
 *
 * The field rules of the autoverse API (contract, section 1), written once as a table of fields and
 * one of character classes, and the report of every field that breaks a rule.
 *
 * In C because no regular expression of the database may decide here: what lower case or a letter
 * is would depend on the database's locale, and two installations would take different names.
 *
 * A field that is missing, null or empty breaks the one rule that it is required, a field of
 * another JSON type the one of its type; only then its content is looked at, and all that is wrong
 * with it is told.
 */
#include "compat.h"

#include <unictype.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"

#include "core/email.h"
#include "core/utf8.h"
#include "http.h"
#include "otp.h"
#include "password.h"

#define PASSWORD_CHARACTERS_MAX 128
#define NAME_CHARACTERS_MIN     2
#define NAME_CHARACTERS_MAX     50
#define LOWER_CASE              "abcdefghijklmnopqrstuvwxyz"
#define UPPER_CASE              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS                  "0123456789"
#define SPECIAL                 "@$!%*?&"
#define COOKIE_VALUES_MAX       4 /* of one name (contract R11) */

PG_FUNCTION_INFO_V1(authmeter_http_autoverse_cookie_values);
PG_FUNCTION_INFO_V1(authmeter_http_autoverse_field_errors);

/* The object details of a refusal while it grows. */
typedef struct Report
{
	StringInfoData json;
	const char *field; /* of the messages that follow */
	bool open;         /* the field has a message */
	bool used;         /* some field has */
} Report;

typedef void (*FieldCheck)(Report *report, amc_span text);

typedef enum FieldType
{
	FIELD_STRING,
	FIELD_BOOLEAN
} FieldType;

/* rule: the name in a list of rules; field: the key in the body; label: the name in messages. */
typedef struct FieldRule
{
	const char *rule;
	const char *field;
	const char *label;
	FieldType type;
	FieldCheck check; /* of a string that is not empty; NULL = none */
} FieldRule;

/* All messages are plain ASCII without quotation marks and backslashes: none needs an escape. */
static void
report_add(Report *report, const char *label, const char *message)
{
	if (!report->open)
		appendStringInfo(&report->json, "%s\"%s\":[", report->used ? "," : "", report->field);
	appendStringInfo(&report->json, "%s\"%s%s\"", report->open ? "," : "", label, message);
	report->open = true;
	report->used = true;
}

static void
check_email(Report *report, amc_span text)
{
	char canonical[AMC_EMAIL_BYTES_MAX];
	size_t len;

	switch (amc_email_canonical(text.ptr, text.len, canonical, &len))
	{
		case AMC_EMAIL_OK:
			break;
		case AMC_EMAIL_BLANK:
			report_add(report, "Email", " is required");
			break;
		case AMC_EMAIL_TOO_LONG:
			report_add(report, "Email", " address is too long");
			break;
		case AMC_EMAIL_UTF8:
		case AMC_EMAIL_FORM:
			report_add(report, "", "Please enter a valid email address");
			break;
		case AMC_EMAIL_MEMORY:
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	}
}

static bool
has_one_of(amc_span text, const char *characters)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (strchr(characters, text.ptr[i]) != NULL)
			return true;
	return false;
}

static bool
is_common(amc_span password)
{
	static const char *const common[] = {"password",  "password123", "12345678",  "qwerty123",
										 "abc123456", "password1",   "123456789", "welcome123"};
	int i;

	for (i = 0; i < lengthof(common); i++)
		if (strlen(common[i]) == password.len &&
			pg_strncasecmp(common[i], password.ptr, password.len) == 0)
			return true;
	return false;
}

static void
check_password_bytes(Report *report, amc_span text)
{
	if (text.len > AMC_PASSWORD_BYTES_MAX)
		report_add(report, "Password", " must be at most 72 bytes long");
}

static void
check_new_password(Report *report, amc_span text)
{
	static const struct
	{
		const char *characters;
		const char *message;
	} classes[] = {
		{LOWER_CASE, " must contain at least one lowercase letter"},
		{UPPER_CASE, " must contain at least one uppercase letter"},
		{DIGITS, " must contain at least one number"},
		{SPECIAL, " must contain at least one special character (" SPECIAL ")"},
	};
	int characters = pg_mbstrlen_with_len(text.ptr, (int) text.len);
	int i;

	if (characters < AM_PASSWORD_CHARACTERS_MIN)
		report_add(report, "Password", " must be at least 8 characters long");
	if (characters > PASSWORD_CHARACTERS_MAX)
		report_add(report, "Password", " must be less than 128 characters");
	check_password_bytes(report, text);
	for (i = 0; i < lengthof(classes); i++)
		if (!has_one_of(text, classes[i].characters))
			report_add(report, "Password", classes[i].message);
	if (is_common(text))
		report_add(report, "Password", " is too common. Please choose a stronger password");
}

/* A letter of any script with the marks that belong to it, a blank, an apostrophe or a hyphen. */
static bool
name_character(uint32_t code_point)
{
	return code_point == '\'' || code_point == '-' ||
		   uc_is_general_category_withtable(code_point, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
															UC_CATEGORY_MASK_Zs);
}

static bool
name_well_formed(amc_span name, int *characters)
{
	uint32_t code_point;
	size_t step;

	for (*characters = 0; name.len > 0; (*characters)++, name.ptr += step, name.len -= step)
	{
		step = amc_utf8_decode(name.ptr, name.len, &code_point);
		if (step == 0 || !name_character(code_point))
			return false;
	}
	return true;
}

static void
check_name(Report *report, amc_span text)
{
	amc_span name = am_http_trim(text);
	int characters = pg_mbstrlen_with_len(name.ptr, (int) name.len);
	int seen;

	if (characters == 0)
	{
		report_add(report, "Name", " is required");
		return;
	}
	if (characters < NAME_CHARACTERS_MIN)
		report_add(report, "Name", " must be at least 2 characters long");
	if (characters > NAME_CHARACTERS_MAX)
		report_add(report, "Name", " must be at most 50 characters long");
	if (!name_well_formed(name, &seen))
		report_add(report, "Name", " can only contain letters, spaces, apostrophes and hyphens");
}

static void
check_otp(Report *report, amc_span text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			break;
	if (i < text.len || text.len != AM_OTP_DIGITS)
		report_add(report, "OTP", " must be exactly 6 digits");
}

static void
check_purpose(Report *report, amc_span text)
{
	static const char *const purposes[] = {"verification", "password-reset", "account-verification",
										   "account-deletion"};
	int i;

	for (i = 0; i < lengthof(purposes); i++)
		if (amc_span_equals(text, purposes[i], strlen(purposes[i])))
			return;
	report_add(report, "Purpose",
			   " must be verification, password-reset, account-verification or account-deletion");
}

/* clang-format off */
static const FieldRule field_rules[] = {
	{"email", "email", "Email", FIELD_STRING, check_email},
	{"password", "password", "Password", FIELD_STRING, check_new_password},
	{"newPassword", "newPassword", "Password", FIELD_STRING, check_new_password},
	{"login.password", "password", "Password", FIELD_STRING, check_password_bytes},
	{"currentPassword", "currentPassword", "Current password", FIELD_STRING, check_password_bytes},
	{"name", "name", "Name", FIELD_STRING, check_name},
	{"otp", "otp", "OTP", FIELD_STRING, check_otp},
	/* where it may be of an authenticator, whose recovery codes have another form */
	{"login.otp", "otp", "OTP", FIELD_STRING, NULL},
	{"code", "code", "Code", FIELD_STRING, NULL},
	{"purpose", "purpose", "Purpose", FIELD_STRING, check_purpose},
	{"verificationToken", "verificationToken", "Verification token", FIELD_STRING, NULL},
	{"token", "token", "Token", FIELD_STRING, NULL},
	{"emailEnabled", "emailEnabled", "emailEnabled", FIELD_BOOLEAN, NULL},
	{"enabled", "enabled", "enabled", FIELD_BOOLEAN, NULL},
};
/* clang-format on */

static const FieldRule *
rule_find(amc_span name)
{
	int i;

	for (i = 0; i < lengthof(field_rules); i++)
		if (amc_span_equals(name, field_rules[i].rule, strlen(field_rules[i].rule)))
			return &field_rules[i];
	ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
			errmsg("there is no rule \"%.*s\" for a field", (int) name.len, name.ptr));
}

static void
field_check(Report *report, const FieldRule *rule, Jsonb *request, bool optional)
{
	JsonbValue value;
	bool absent = !am_http_body_find(request, rule->field, &value) || value.type == jbvNull;

	if (absent && optional)
		return;
	if (absent)
		report_add(report, rule->label, " is required");
	else if (rule->type == FIELD_BOOLEAN)
	{
		if (value.type != jbvBool)
			report_add(report, rule->label, " must be a boolean (true or false)");
	}
	else if (value.type != jbvString)
		report_add(report, rule->label, " must be a string");
	else if (value.val.string.len == 0)
		report_add(report, rule->label, " is required");
	else if (rule->check != NULL)
		rule->check(report, (amc_span){value.val.string.val, value.val.string.len});
}

/* authmeter_http.autoverse_field_errors(request, rules): details of a refusal, or NULL. */
Datum
authmeter_http_autoverse_field_errors(PG_FUNCTION_ARGS)
{
	Jsonb *request = PG_GETARG_JSONB_P(0);
	Report report = {.used = false};
	Datum *names;
	int count;
	int i;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL,
					  &count);
	initStringInfo(&report.json);
	appendStringInfoChar(&report.json, '{');
	for (i = 0; i < count; i++)
	{
		text *name = DatumGetTextPP(names[i]);
		amc_span key = {VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)};
		bool optional = key.len > 0 && key.ptr[key.len - 1] == '?';
		const FieldRule *rule;

		key.len -= optional;
		rule = rule_find(key);
		report.field = rule->field;
		report.open = false;
		field_check(&report, rule, request, optional);
		if (report.open)
			appendStringInfoChar(&report.json, ']');
	}
	if (!report.used)
		PG_RETURN_NULL();
	appendStringInfoChar(&report.json, '}');
	PG_RETURN_TEXT_P(cstring_to_text_with_len(report.json.data, report.json.len));
}

/* authmeter_http.autoverse_cookie_values(request, name): the values that are not empty. */
Datum
authmeter_http_autoverse_cookie_values(PG_FUNCTION_ARGS)
{
	amc_span values[COOKIE_VALUES_MAX];
	Datum texts[COOKIE_VALUES_MAX];
	int count = am_http_cookie_values(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
									  values, COOKIE_VALUES_MAX);
	int filled = 0;
	int i;

	for (i = 0; i < count; i++)
		if (values[i].len > 0)
			texts[filled++] =
				PointerGetDatum(cstring_to_text_with_len(values[i].ptr, values[i].len));
	PG_RETURN_ARRAYTYPE_P(construct_array(texts, filled, TEXTOID, -1, false, TYPALIGN_INT));
}

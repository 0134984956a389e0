/*
 * http.c
 *
 * What the endpoint functions share: reading the request value and making the response value, in C
 * for endpoints in C and as SQL functions for those in PL/pgSQL.
 */
#include "compat.h"

#include <unictype.h>

#include "access/htup_details.h"
#include "utils/numeric.h"

#include "clock.h"
#include "core/utf8.h"
#include "crypto/secret.h"
#include "http.h"
#include "key_secret.h"
#include "keyring.h"
#include "row.h"
#include "setting_table.h"

PG_FUNCTION_INFO_V1(authmeter_http_body_count);
PG_FUNCTION_INFO_V1(authmeter_http_body_filled);
PG_FUNCTION_INFO_V1(authmeter_http_body_text);
PG_FUNCTION_INFO_V1(authmeter_http_body_trimmed);
PG_FUNCTION_INFO_V1(authmeter_http_network_trusted);
PG_FUNCTION_INFO_V1(authmeter_http_policy_strict);
PG_FUNCTION_INFO_V1(authmeter_http_ring_shared);
PG_FUNCTION_INFO_V1(authmeter_http_ring_weak);

/* Finds group.name of the request, or name itself when group is NULL. */
static bool
member_find(Jsonb *request, const char *group, const char *name, JsonbValue *value)
{
	JsonbContainer *container = &request->root;

	if (!JsonContainerIsObject(container))
		return false;
	if (group != NULL)
	{
		if (getKeyJsonValueFromContainer(container, group, strlen(group), value) == NULL ||
			value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
			return false;
		container = value->val.binary.data;
	}
	return getKeyJsonValueFromContainer(container, name, strlen(name), value) != NULL;
}

static bool
string_find(Jsonb *request, const char *group, const char *name, amc_span *value)
{
	JsonbValue found;

	if (!member_find(request, group, name, &found) || found.type != jbvString)
		return false;
	*value = (amc_span){found.val.string.val, found.val.string.len};
	return true;
}

bool
am_http_text(Jsonb *request, const char *member, amc_span *value)
{
	return string_find(request, NULL, member, value);
}

bool
am_http_header(Jsonb *request, const char *name, amc_span *value)
{
	return string_find(request, "headers", name, value);
}

int
am_http_cookie_values(Jsonb *request, const char *name, amc_span *values, int values_max)
{
	JsonbValue list;
	int count = 0;
	uint32 i;

	if (!member_find(request, "cookies", name, &list) || list.type != jbvBinary ||
		!JsonContainerIsArray(list.val.binary.data))
		return 0;
	for (i = 0; i < JsonContainerSize(list.val.binary.data) && count < values_max; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(list.val.binary.data, i);

		if (value != NULL && value->type == jbvString)
			values[count++] = (amc_span){value->val.string.val, value->val.string.len};
	}
	return count;
}

bool
am_http_body_find(Jsonb *request, const char *field, JsonbValue *value)
{
	return member_find(request, "body", field, value);
}

bool
am_http_body_text(Jsonb *request, const char *field, amc_span *value)
{
	return string_find(request, "body", field, value);
}

static int
numeric_compare(Numeric number, int64 other)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(number),
											 NumericGetDatum(int64_to_numeric(other))));
}

int64
am_http_body_count(Jsonb *request, const char *field, int64 minimum, int64 maximum)
{
	JsonbValue found;
	int64 count;

	if (!member_find(request, "body", field, &found) || found.type != jbvNumeric)
		return 0;
	/* Within bounds first: only then does the conversion to int64 not raise. It rounds. */
	if (numeric_compare(found.val.numeric, minimum) < 0 ||
		numeric_compare(found.val.numeric, maximum) > 0)
		return 0;
	count = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(found.val.numeric)));
	return numeric_compare(found.val.numeric, count) == 0 ? count : 0;
}

Datum
am_http_response(FunctionCallInfo fcinfo, int status, Jsonb *headers, const char *body)
{
	Datum row[3] = {Int32GetDatum(status), PointerGetDatum(headers), CStringGetTextDatum(body)};
	bool nulls[3] = {false, headers == NULL, false};

	return am_row(fcinfo, row, nulls);
}

/* authmeter_http.body_text(request, field): the field if it is a string. */
Datum
authmeter_http_body_text(PG_FUNCTION_ARGS)
{
	amc_span value;

	if (!am_http_body_text(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), &value))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.ptr, value.len));
}

/* Unicode white space, or U+FEFF, which ECMAScript trims as well? */
static bool
is_space(uint32_t code_point)
{
	return uc_is_property_white_space(code_point) || code_point == 0xFEFF;
}

/* The text without white space at either end; from the first byte that is no UTF-8 it stays. */
amc_span
am_http_trim(amc_span text)
{
	const char *at = text.ptr;
	const char *end = text.ptr + text.len;
	amc_span inner = {text.ptr, 0};
	uint32_t code_point = 0;
	size_t step;

	for (; at < end; at += step)
	{
		step = amc_utf8_decode(at, end - at, &code_point);
		if (step == 0)
			return (amc_span){inner.len == 0 ? at : inner.ptr,
							  end - (inner.len == 0 ? at : inner.ptr)};
		if (is_space(code_point))
			continue;
		if (inner.len == 0)
			inner.ptr = at;
		inner.len = at + step - inner.ptr;
	}
	return inner;
}

/* authmeter_http.body_filled(request, field): the field if it is a string and not blank. */
Datum
authmeter_http_body_filled(PG_FUNCTION_ARGS)
{
	amc_span value;

	if (!am_http_body_text(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), &value) ||
		am_http_trim(value).len == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.ptr, value.len));
}

/* authmeter_http.body_trimmed(request, field): the field, if it is a string, without its ends. */
Datum
authmeter_http_body_trimmed(PG_FUNCTION_ARGS)
{
	amc_span value;

	if (!am_http_body_text(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), &value))
		PG_RETURN_NULL();
	value = am_http_trim(value);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.ptr, value.len));
}

/* authmeter_http.body_count(request, field, minimum, maximum): the field if it is such a count. */
Datum
authmeter_http_body_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(am_http_body_count(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
									   PG_GETARG_INT64(2), PG_GETARG_INT64(3)));
}

static AmSettingId
setting_argument(FunctionCallInfo fcinfo, AmSettingType type)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	AmSettingId id = am_setting_lookup(name);

	if (id == AM_SETTING_COUNT || am_setting_table[id].type != type)
		ereport(ERROR, errcode(ERRCODE_AM_SETTING_UNKNOWN),
				errmsg("setting \"%s\" does not exist or has another type", name),
				errhint("authmeter.setting_list() shows all settings."));
	return id;
}

/* authmeter_http.policy_strict(policy): strict or documented, with auto resolved. */
Datum
authmeter_http_policy_strict(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(am_setting_strict(setting_argument(fcinfo, AM_TYPE_POLICY)));
}

/* authmeter_http.network_trusted(setting, address): does the list hold the address? */
Datum
authmeter_http_network_trusted(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(am_setting_in_networks(setting_argument(fcinfo, AM_TYPE_NETWORKS),
										  text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/* authmeter_http.ring_weak(ring): does it sign with a secret that production would refuse? */
Datum
authmeter_http_ring_weak(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	AmRing *ring = am_ring_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	AmKey *key = ring != NULL ? am_ring_signer(ring, am_clock_now()) : NULL;
	uint8 *secret;
	Size len;

	if (key == NULL || key->alg != AMC_ALG_HS256)
		PG_RETURN_BOOL(false);
	secret = am_key_unseal(key, &len);
	am_secret_wipe(secret, len);
	PG_RETURN_BOOL(len < AM_HS256_BYTES_MIN);
}

static bool
secret_shared(const AmKey *key, const uint8 *secret, Size len)
{
	uint8 *other;
	Size other_len;
	bool same;

	other = am_key_unseal(key, &other_len);
	same = len == other_len && am_secret_equal(secret, other, len);
	am_secret_wipe(other, other_len);
	return same;
}

static bool
key_in_force(const AmKey *key)
{
	return key->alg == AMC_ALG_HS256 && am_key_verifies(key, am_clock_now());
}

static bool
key_shared(const AmKey *key, const AmRing *ring)
{
	bool same = false;
	uint8 *secret;
	Size len;
	int i;

	secret = am_key_unseal(key, &len);
	for (i = 0; i < ring->count && !same; i++)
		same = key_in_force(&ring->keys[i]) && secret_shared(&ring->keys[i], secret, len);
	am_secret_wipe(secret, len);
	return same;
}

static AmRing *
ring_among(AmRing *rings, int count, text *name)
{
	int i;

	for (i = 0; i < count; i++)
		if (rings[i].name_len == VARSIZE_ANY_EXHDR(name) &&
			memcmp(rings[i].name, VARDATA_ANY(name), rings[i].name_len) == 0)
			return &rings[i];
	return NULL;
}

/* authmeter_http.ring_shared(ring, other): does a secret of the one sign for the other? */
Datum
authmeter_http_ring_shared(PG_FUNCTION_ARGS)
{
	int count;
	AmRing *rings = am_ring_all(&count);
	AmRing *ring = ring_among(rings, count, PG_GETARG_TEXT_PP(0));
	AmRing *other = ring_among(rings, count, PG_GETARG_TEXT_PP(1));
	bool same = false;
	int i;

	if (ring == NULL || other == NULL)
		PG_RETURN_BOOL(false);
	for (i = 0; i < ring->count && !same; i++)
		same = key_in_force(&ring->keys[i]) && key_shared(&ring->keys[i], other);
	PG_RETURN_BOOL(same);
}

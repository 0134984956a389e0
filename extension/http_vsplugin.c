/*
 * http_vsplugin.c
 *
 * POST /trackUsage of the vsplugin API. It is the one endpoint in C: PL/pgSQL, its pinned search_path
 * and the records it would pass about cost as much as all the work below. The other endpoints of the
 * API are in install/52_api_vsplugin.sql.
 */
#include "compat.h"

#include "http.h"
#include "setting.h"
#include "spi.h"
#include "token.h"

PG_FUNCTION_INFO_V1(authmeter_http_vsplugin_track_usage);

static AmPlan add_plan = {
	"SELECT outcome, value FROM authmeter.usage_add_many(ARRAY[$1, $1], "
	"ARRAY['vsplugin.prompt', 'vsplugin.token'], ARRAY[$2, $3])",
	3,
	{UUIDOID, INT8OID, INT8OID},
	NULL};

static Datum
track(FunctionCallInfo fcinfo, Jsonb *request, const pg_uuid_t *user)
{
	int64 most = am_setting_int(AM_SETTING_VSPLUGIN_MAX_INCREMENT);
	Datum values[3] = {UUIDPGetDatum(user),
					   Int64GetDatum(am_http_body_count(request, "usage", 1, most)),
					   Int64GetDatum(am_http_body_count(request, "tokenCount", 0, most))};
	char body[256];

	am_spi_begin();
	am_spi_run(&add_plan, values, NULL, 2);
	snprintf(body,
			 sizeof(body),
			 "{\"message\":\"Usage tracked successfully\",\"currentPromptCount\":" INT64_FORMAT
			 ",\"currentTokenCount\":" INT64_FORMAT ",\"threshold\":" INT64_FORMAT "}",
			 am_spi_int64(0, 2),
			 am_spi_int64(1, 2),
			 am_setting_int(AM_SETTING_VSPLUGIN_THRESHOLD));
	am_spi_end();
	return am_http_response(fcinfo, 200, body);
}

/* authmeter_http.vsplugin_track_usage(request) */
Datum
authmeter_http_vsplugin_track_usage(PG_FUNCTION_ARGS)
{
	Jsonb *request = PG_GETARG_JSONB_P(0);
	AmTokenVerdict verdict;
	amc_span token;

	if (!am_http_text(request, "bearer", &token))
		return am_http_response(
			fcinfo, 401, "{\"error\":\"Authorization header missing or malformed\"}");
	am_token_verify(AMC_SPAN("vsplugin"), AM_TOKEN_USE_ACCESS, token.ptr, token.len, &verdict);
	if (verdict.outcome == AM_TOKEN_USER_UNKNOWN)
		return am_http_response(fcinfo, 404, "{\"error\":\"User not found\"}");
	if (verdict.outcome != AM_TOKEN_OK)
		return am_http_response(fcinfo, 403, "{\"error\":\"Invalid or expired token\"}");
	return track(fcinfo, request, &verdict.user_id);
}

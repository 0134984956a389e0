/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  The pages of the admin listener; see admin.h.
 *
 *-------------------------------------------------------------------------
 */
#include "admin.h"

#include <inttypes.h>
#include <string.h>

#include "metrics_table.h"

static const char json_type[] = "application/json; charset=utf-8";

/* ---- state ---- */

/* Takes in one loop's last turn. */
static void
gather_tick(const AmMetrics *metrics, int64_t now_us, AmAdminState *state)
{
	int64_t tick_us = atomic_load_explicit(&metrics->tick_us, memory_order_relaxed);
	int64_t age_ms = tick_us > 0 ? (now_us - tick_us) / 1000 : -1;

	if (!atomic_load_explicit(&metrics->tables_loaded, memory_order_relaxed))
		state->loops_without_tables++;
	if (age_ms < 0 && tick_us > 0)
		age_ms = 0; /* it turned after now_us was taken */
	if (age_ms < 0 || age_ms > AM_ADMIN_LIVE_MS)
		state->loops_late++;
	if (age_ms < 0 || state->oldest_tick_ms < 0)
		state->oldest_tick_ms = -1;
	else if (age_ms > state->oldest_tick_ms)
		state->oldest_tick_ms = age_ms;
}

static void
gather_lane(const AmMetricsRegistry *registry, AmLaneId lane, AmAdminLane *state)
{
	state->up = am_metrics_lane_gauge_sum(registry, AM_LANE_GAUGE_CONNECTIONS_UP, lane);
	state->wanted = am_metrics_lane_gauge_sum(registry, AM_LANE_GAUGE_CONNECTIONS_WANTED, lane);
	state->queued = am_metrics_lane_gauge_sum(registry, AM_LANE_GAUGE_QUEUE_DEPTH, lane);
	state->sent = am_metrics_lane_gauge_sum(registry, AM_LANE_GAUGE_CALLS_SENT, lane);
	state->loops_without = am_metrics_loops_without(registry, lane);
}

void
am_admin_state_gather(const AmMetricsRegistry *registry, int64_t now_us, AmAdminState *state)
{
	memset(state, 0, sizeof(*state));
	state->loops = am_metrics_loops(registry);
	for (int i = 0; i < state->loops; i++)
		gather_tick(registry->loop[i], now_us, state);
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
		gather_lane(registry, (AmLaneId) lane, &state->lane[lane]);
	state->draining = atomic_load_explicit(&registry->draining, memory_order_relaxed);
	state->requests_in_flight = am_metrics_gauge_sum(registry, AM_GAUGE_REQUESTS_IN_FLIGHT);
	state->connections_open = am_metrics_gauge_sum(registry, AM_GAUGE_CONNECTIONS_OPEN);
}

bool
am_admin_live(const AmAdminState *state)
{
	return state->loops > 0 && state->loops_late == 0;
}

static bool
lane_ready(const AmAdminState *state, int lane)
{
	return state->loops > 0 && state->lane[lane].loops_without == 0;
}

bool
am_admin_ready(const AmAdminState *state)
{
	if (state->loops == 0 || state->draining || state->loops_without_tables > 0)
		return false;
	for (int lane = 0; lane < AM_LANE_SERVING_COUNT; lane++)
	{
		if (!lane_ready(state, lane))
			return false;
	}
	return true;
}

/* ---- bodies ---- */

static const char *
boolean(bool value)
{
	return value ? "true" : "false";
}

void
am_admin_live_body(const AmAdminState *state, AmText *body)
{
	am_text_printf(
		body, "{\"live\":%s,\"loops\":%d,\"loops_late\":%d,\"oldest_turn_ms\":%" PRId64 "}",
		boolean(am_admin_live(state)), state->loops, state->loops_late, state->oldest_tick_ms);
}

void
am_admin_ready_body(const AmAdminState *state, AmText *body)
{
	am_text_printf(body,
				   "{\"ready\":%s,\"draining\":%s,\"tables_loaded\":%s,"
				   "\"requests_in_flight\":%" PRId64 ",\"connections_open\":%" PRId64
				   ",\"lanes\":{",
				   boolean(am_admin_ready(state)), boolean(state->draining),
				   boolean(state->loops > 0 && state->loops_without_tables == 0),
				   state->requests_in_flight, state->connections_open);
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
	{
		const AmAdminLane *detail = &state->lane[lane];

		am_text_printf(
			body,
			"%s\"%s\":{\"up\":%s,\"connections_up\":%" PRId64 ",\"connections_wanted\":%" PRId64
			",\"queued\":%" PRId64 ",\"sent\":%" PRId64 "}",
			lane > 0 ? "," : "", am_lane_name((AmLaneId) lane), boolean(lane_ready(state, lane)),
			detail->up, detail->wanted, detail->queued, detail->sent);
	}
	am_text_puts(body, "}}");
}

/* ---- answers ---- */

static AmAdminAnswer
answer(int status, const char *content_type)
{
	AmAdminAnswer result = {.status = status, .content_type = content_type};

	return result;
}

static AmAdminAnswer
answer_metrics(const AmMetricsRegistry *registry, const char *library_version, AmText *body)
{
	if (am_metrics_render(registry, library_version, body))
		return answer(200, AM_METRICS_CONTENT_TYPE);
	am_text_reset(body);
	am_text_puts(body, "{\"error\":\"Internal server error\"}");
	return answer(500, json_type);
}

static AmAdminAnswer
answer_live(const AmAdminState *state, AmText *body)
{
	am_admin_live_body(state, body);
	return answer(am_admin_live(state) ? 200 : 503, json_type);
}

static AmAdminAnswer
answer_ready(const AmAdminState *state, AmText *body)
{
	am_admin_ready_body(state, body);
	return answer(am_admin_ready(state) ? 200 : 503, json_type);
}

AmAdminAnswer
am_admin_answer(const AmMetricsRegistry *registry, int64_t now_us, const char *method,
				const char *path, const char *library_version, AmText *body)
{
	AmAdminAnswer refusal = {.status = 405, .content_type = json_type, .allow = "GET, HEAD"};
	bool live = strcmp(path, "/live") == 0;
	bool ready = strcmp(path, "/ready") == 0;
	bool metrics = strcmp(path, "/metrics") == 0;
	AmAdminState state;

	if (!live && !ready && !metrics && strcmp(path, "/") != 0)
	{
		am_text_puts(body, "{\"error\":\"Not found\"}");
		return answer(404, json_type);
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
	{
		am_text_puts(body, "{\"error\":\"Method not allowed\"}");
		return refusal;
	}
	if (metrics)
		return answer_metrics(registry, library_version, body);
	am_admin_state_gather(registry, now_us, &state);
	if (live)
		return answer_live(&state, body);
	if (ready)
		return answer_ready(&state, body);
	am_text_puts(body, "{\"pages\":[\"/live\",\"/ready\",\"/metrics\"]}");
	return answer(200, json_type);
}

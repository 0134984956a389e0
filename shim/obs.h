/*-------------------------------------------------------------------------
 *
 * obs.h
 *	  Observations: everything shim and mailer tell the outside about themselves.
 *
 * A module that sees something worth telling builds one AmObservation and
 * emits it once.  The log and the metrics are subscribers: nothing can be
 * counted that could not be logged, and neither can disagree with the other
 * about what happened.  The table below is the only list of observations.
 *
 * One AmObs belongs to one thread; emitting takes no lock and never blocks.
 * Strings of an observation are borrowed for the duration of the call.
 * They must not hold secrets: no header values but the request id, no query,
 * no body, no database message that could quote input.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_OBS_H
#define AM_SHIM_OBS_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"

typedef enum AmObsLevel
{
	AM_LEVEL_ERROR,
	AM_LEVEL_WARNING,
	AM_LEVEL_INFO,
	AM_LEVEL_DEBUG
} AmObsLevel;

typedef enum AmObsMetric
{
	AM_METRIC_NONE,    /* logged only */
	AM_METRIC_COUNTER, /* counter over the labels of the row */
	AM_METRIC_REQUEST, /* request counter and duration histogram by route */
	AM_METRIC_SIZE     /* histogram of group_size by lane */
} AmObsMetric;

/* clang-format off */

/*
 * X(id, event name, level, metric, labelled by lane, family of reasons,
 *	 metric name without the prefix "authmeter_", help text of the metric, which
 *	 is also the message of the log line when the emitter gives none)
 */
#define AM_OBSERVATIONS(X) \
	X(REQUEST, "request", INFO, REQUEST, false, NONE, \
	  "requests_total", "Requests answered.") \
	X(VET_REFUSED, "vet_refused", INFO, COUNTER, false, VET, \
	  "vet_refusals_total", "Requests refused before routing.") \
	X(LANE_REFUSED, "lane_refused", DEBUG, COUNTER, true, LANE_REFUSAL, \
	  "lane_refusals_total", "Calls a lane refused or gave up.") \
	X(GROUP_SENT, "group_sent", DEBUG, SIZE, true, NONE, \
	  "group_calls", "Calls of one group sent with one Sync.") \
	X(CALL_RETRIED, "call_retried", INFO, COUNTER, true, RETRY, \
	  "retries_total", "Calls sent to the database again.") \
	X(DATABASE_FAULT, "database_fault", ERROR, COUNTER, true, NONE, \
	  "database_faults_total", "Calls that raised an error in the database.") \
	X(REPLY_INVALID, "reply_invalid", ERROR, COUNTER, true, NONE, \
	  "replies_invalid_total", "Replies of the database that the shim refused to pass on.") \
	X(DATABASE_UP, "database_up", INFO, COUNTER, true, NONE, \
	  "database_connects_total", "Database connections that became ready.") \
	X(DATABASE_DOWN, "database_down", WARNING, COUNTER, true, NONE, \
	  "database_losses_total", "Database connections that were lost.") \
	X(DATABASE_RECONNECT, "database_reconnect", WARNING, COUNTER, true, NONE, \
	  "database_reconnects_total", "Attempts to connect that failed and will be repeated.") \
	X(DATABASE_RECYCLED, "database_recycled", DEBUG, COUNTER, true, NONE, \
	  "database_recycles_total", "Idle database connections replaced because of their age.") \
	X(DEADLINE_KILLED, "deadline_killed", INFO, COUNTER, false, PHASE, \
	  "deadline_kills_total", "Connections or requests ended by their absolute deadline.") \
	X(IDLE_CLOSED, "idle_closed", DEBUG, COUNTER, false, NONE, \
	  "idle_closes_total", "Idle keep-alive connections closed.") \
	X(LIMIT_REACHED, "limit_reached", INFO, COUNTER, false, LIMIT, \
	  "limit_refusals_total", "Connections or requests refused by a limit of the process.") \
	X(CLIENT_GONE, "client_gone", DEBUG, COUNTER, false, NONE, \
	  "clients_gone_total", "Clients that closed before their reply was written.") \
	X(RELOAD_DONE, "reload_done", INFO, COUNTER, false, NONE, \
	  "reloads_total", "Tables or configuration reloaded.") \
	X(RELOAD_FAILED, "reload_failed", ERROR, COUNTER, false, NONE, \
	  "reload_failures_total", "Reloads that failed; the state before it was kept.") \
	X(WEAK_BEHAVIOUR, "weak_behaviour", WARNING, NONE, false, NONE, \
	  "", "authmeter: weak behaviour active") \
	X(CHECK_FAILED, "check_failed", ERROR, NONE, false, NONE, \
	  "", "A check at start failed.") \
	X(CHECK_WARNING, "check_warning", WARNING, NONE, false, NONE, \
	  "", "A check at start gave a warning.") \
	X(CONFIG_WARNING, "config_warning", WARNING, NONE, false, NONE, \
	  "", "The configuration has a weakness.") \
	X(DEPLOYMENT_SECRET, "deployment_secret", INFO, NONE, false, NONE, \
	  "", "A secret of the environment was handed to the database.") \
	X(STARTED, "started", INFO, NONE, false, NONE, \
	  "", "The shim serves.") \
	X(LISTENING, "listening", INFO, NONE, false, NONE, \
	  "", "A listener is open.") \
	X(DRAINING, "draining", INFO, NONE, false, NONE, \
	  "", "No new connections are accepted; requests in flight are finished.") \
	X(STOPPED, "stopped", INFO, NONE, false, NONE, \
	  "", "The shim has stopped.") \
	X(ADMIN_REQUEST, "admin_request", DEBUG, COUNTER, false, NONE, \
	  "admin_requests_total", "Requests answered by the admin listener.") \
	X(MAIL_SENT, "mail_sent", INFO, NONE, false, NONE, \
	  "", "A mail was handed over.") \
	X(MAIL_DEFERRED, "mail_deferred", WARNING, NONE, false, NONE, \
	  "", "A mail was not taken; it will be tried again.") \
	X(MAIL_REJECTED, "mail_rejected", WARNING, NONE, false, NONE, \
	  "", "A mail was refused for good.") \
	X(MAIL_RELEASED, "mail_released", DEBUG, NONE, false, NONE, \
	  "", "A mail was given back untried.") \
	X(MAIL_UNRECORDED, "mail_unrecorded", ERROR, NONE, false, NONE, \
	  "", "A mail was handed over, but the database does not know it; it may be sent again.") \
	X(MAIL_SERVER_DOWN, "mail_server_down", WARNING, NONE, false, NONE, \
	  "", "The mail server takes no mail; sending pauses.") \
	X(MAIL_SERVER_UP, "mail_server_up", INFO, NONE, false, NONE, \
	  "", "The mail server takes mail again.") \
	X(LOG_DROPPED, "log_dropped", WARNING, COUNTER, false, NONE, \
	  "log_lines_dropped_total", "Log lines dropped because the log could not be written.") \
	X(INTERNAL_FAULT, "internal_fault", ERROR, COUNTER, false, NONE, \
	  "internal_faults_total", "Faults of the shim itself.") \
	X(NOTE, "note", DEBUG, NONE, false, NONE, \
	  "", "A step of the shim, for debugging.")

#define AM_OBS_ENUM(id, event, level, metric, lane, reason, name, help) AM_OBS_##id,
typedef enum AmObsId
{
	AM_OBSERVATIONS(AM_OBS_ENUM)
	AM_OBS_COUNT
} AmObsId;
#undef AM_OBS_ENUM

/* clang-format on */

/* One row of the table, for subscribers. */
typedef struct AmObsRow
{
	const char *event;
	AmObsLevel level;
	AmObsMetric metric;
	bool by_lane;
	AmReasonKind reason_kind;
	const char *metric_name; /* "" if not counted */
	const char *help;
} AmObsRow;

/*
 * What was observed.  Build with am_obs_make(), then set what applies;
 * members left alone mean "absent" and do not appear in the log line.
 */
typedef struct AmObservation
{
	AmObsId id;
	int64_t time_us;     /* since the epoch; 0 = now */
	AmLaneId lane;       /* AM_LANE_NONE = absent */
	int reason;          /* value of the row's family, -1 = absent */
	int64_t count;       /* how often it happened, for counters; normally 1 */
	int route_slot;      /* from am_metrics_route_add; 0 = not of the route table */
	int status;          /* HTTP status, 0 = absent */
	int group_size;      /* calls of the group, 0 = absent */
	int64_t bytes;       /* of the reply's body, -1 = absent */
	int64_t total_us;    /* from first byte to reply queued, -1 = absent */
	int64_t queue_us;    /* waiting in the lane, -1 = absent */
	int64_t database_us; /* sent to answered, -1 = absent */
	const char *api;     /* all strings: NULL = absent */
	const char *method;
	const char *route; /* route template, never the raw path */
	const char *request_id;
	const char *sqlstate; /* five characters */
	const char *peer;     /* numeric address */
	const char *subject;  /* what it is about: listener, setting, file, policy */
	const char *message;  /* replaces the row's text */
	const char *hint;
} AmObservation;

#define AM_OBS_SUBSCRIBERS_MAX 4

typedef void (*AmObsSubscriber)(void *state, const AmObservation *observation);

typedef struct AmObs
{
	int subscriber_count;
	struct
	{
		AmObsSubscriber call;
		void *state;
	} subscriber[AM_OBS_SUBSCRIBERS_MAX];
} AmObs;

/* An observation with every member absent and count 1. */
extern AmObservation am_obs_make(AmObsId id);

/* The table's row; id must be below AM_OBS_COUNT. */
extern const AmObsRow *am_obs_row(AmObsId id);

/* "error", "warning", "info" or "debug". */
extern const char *am_obs_level_name(AmObsLevel level);

/* Prepares an AmObs without subscribers; emitting to it does nothing. */
extern void am_obs_init(AmObs *obs);

/* Adds a subscriber, called in the order added.  False if AM_OBS_SUBSCRIBERS_MAX are there. */
extern bool am_obs_subscribe(AmObs *obs, AmObsSubscriber call, void *state);

/*
 * Hands the observation to every subscriber.  obs may be NULL (nobody listens).
 * An id out of range is dropped; a lane or reason out of range counts as absent.
 */
extern void am_obs_emit(const AmObs *obs, const AmObservation *observation);

/* Shorthand: emit id with only subject and message (either may be NULL). */
extern void am_obs_tell(const AmObs *obs, AmObsId id, const char *subject, const char *message);

#endif /* AM_SHIM_OBS_H */

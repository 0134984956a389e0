/*-------------------------------------------------------------------------
 *
 * names.h
 *	  The fixed vocabulary of the shim: lanes, refusals, causes, phases.
 *
 * Every label value that log lines and metrics may carry, apart from the
 * route table's own names, is a row of one of these tables.  The sets are
 * closed, which is what keeps the number of time series bounded.  To add a
 * value, add a row; nothing else has to change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_NAMES_H
#define AM_SHIM_NAMES_H

/* clang-format off */

/*
 * Lanes.  The first AM_LANE_SERVING_COUNT carry requests and have settings
 * (AmConfig.lane); "control" is the LISTEN connection that reads the tables.
 */
#define AM_LANES(X) \
	X(FAST, "fast") \
	X(WRITE, "write") \
	X(SLOW, "slow") \
	X(CONTROL, "control")

/* Why the guard refused a request before routing (notes: architecture, section 5). */
#define AM_VET_REASONS(X) \
	X(LENGTH_AND_CHUNKED, "length_and_chunked") \
	X(LENGTH_REPEATED, "length_repeated") \
	X(LENGTH_INVALID, "length_invalid") \
	X(TRANSFER_ENCODING, "transfer_encoding") \
	X(HOST_MISSING, "host_missing") \
	X(HOST_REPEATED, "host_repeated") \
	X(HEADER_NAME, "header_name") \
	X(HEADER_VALUE, "header_value") \
	X(HEADER_COUNT, "header_count") \
	X(METHOD, "method") \
	X(VERSION, "version") \
	X(TARGET, "target") \
	X(PERCENT_ENCODING, "percent_encoding") \
	X(QUERY, "query") \
	X(COOKIE, "cookie") \
	X(CONTENT_ENCODING, "content_encoding") \
	X(BODY_TOO_LARGE, "body_too_large") \
	X(BODY_INVALID, "body_invalid") \
	X(EXPECT, "expect")

/* Why a lane answered 503 by itself. */
#define AM_LANE_REFUSALS(X) \
	X(QUEUE_FULL, "queue_full") \
	X(QUEUE_WAIT, "queue_wait") \
	X(DEADLINE, "deadline") \
	X(DATABASE_DOWN, "database_down") \
	X(DRAINING, "draining") \
	X(OUTCOME_UNKNOWN, "outcome_unknown") \
	X(RETRIES_SPENT, "retries_spent")

/* Why a call was sent to the database again. */
#define AM_RETRY_CAUSES(X) \
	X(SERIALIZATION, "40001") \
	X(DEADLOCK, "40P01") \
	X(LOCK_TIMEOUT, "55P03") \
	X(GROUP_ABORTED, "group_aborted") \
	X(CONNECTION_LOST, "connection_lost") \
	X(PLAN_CHANGED, "0A000")

/* Phase of a connection or request that ran into its absolute deadline. */
#define AM_PHASES(X) \
	X(HEADER, "header") \
	X(BODY, "body") \
	X(DATABASE, "database") \
	X(REPLY, "reply") \
	X(IDLE, "idle") \
	X(DRAIN, "drain")

/* Process-wide bounds that refused something. */
#define AM_LIMITS(X) \
	X(CONNECTIONS, "connections") \
	X(CONNECTIONS_PER_IP, "connections_per_ip") \
	X(REQUESTS_IN_FLIGHT, "requests_in_flight") \
	X(BODY_POOL, "body_pool") \
	X(REQUEST_MEMORY, "request_memory") \
	X(DESCRIPTORS, "descriptors")

#define AM_NAMES_ENUM_LANE(id, name) AM_LANE_##id,
typedef enum AmLaneId
{
	AM_LANE_NONE = -1,
	AM_LANES(AM_NAMES_ENUM_LANE)
	AM_LANE_COUNT,
	AM_LANE_SERVING_COUNT = AM_LANE_CONTROL
} AmLaneId;
#undef AM_NAMES_ENUM_LANE

#define AM_NAMES_ENUM_VET(id, name) AM_VET_##id,
typedef enum AmVetReason
{
	AM_VET_REASONS(AM_NAMES_ENUM_VET)
	AM_VET_COUNT
} AmVetReason;
#undef AM_NAMES_ENUM_VET

#define AM_NAMES_ENUM_REFUSAL(id, name) AM_LANE_REFUSAL_##id,
typedef enum AmLaneRefusal
{
	AM_LANE_REFUSALS(AM_NAMES_ENUM_REFUSAL)
	AM_LANE_REFUSAL_COUNT
} AmLaneRefusal;
#undef AM_NAMES_ENUM_REFUSAL

#define AM_NAMES_ENUM_CAUSE(id, name) AM_RETRY_##id,
typedef enum AmRetryCause
{
	AM_RETRY_CAUSES(AM_NAMES_ENUM_CAUSE)
	AM_RETRY_COUNT
} AmRetryCause;
#undef AM_NAMES_ENUM_CAUSE

#define AM_NAMES_ENUM_PHASE(id, name) AM_PHASE_##id,
typedef enum AmPhase
{
	AM_PHASES(AM_NAMES_ENUM_PHASE)
	AM_PHASE_COUNT
} AmPhase;
#undef AM_NAMES_ENUM_PHASE

#define AM_NAMES_ENUM_LIMIT(id, name) AM_LIMIT_##id,
typedef enum AmLimitId
{
	AM_LIMITS(AM_NAMES_ENUM_LIMIT)
	AM_LIMIT_COUNT
} AmLimitId;
#undef AM_NAMES_ENUM_LIMIT

/* clang-format on */

/* Families of reasons; each observation has at most one (see obs.h). */
typedef enum AmReasonKind
{
	AM_REASON_NONE,
	AM_REASON_VET,
	AM_REASON_LANE_REFUSAL,
	AM_REASON_RETRY,
	AM_REASON_PHASE,
	AM_REASON_LIMIT,
	AM_REASON_KIND_COUNT
} AmReasonKind;

/* Upper bound of all families, checked at compile time in names.c. */
#define AM_REASON_MAX 24

/*
 * Name of a lane ("fast", ...); "none" for AM_LANE_NONE and unknown values.
 * Never NULL.
 */
extern const char *am_lane_name(AmLaneId lane);

/*
 * Lane of that exact name, AM_LANE_NONE if there is none ("control" included).
 */
extern AmLaneId am_lane_by_name(const char *name);

/* Number of values of a family; 0 for AM_REASON_NONE. */
extern int am_reason_count(AmReasonKind kind);

/* Name of a value of a family; "none" when out of range.  Never NULL. */
extern const char *am_reason_name(AmReasonKind kind, int reason);

/* Label name of a family in log and metrics: "reason", "cause", "phase" or "limit". */
extern const char *am_reason_label(AmReasonKind kind);

#endif /* AM_SHIM_NAMES_H */

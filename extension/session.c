/*
 * session.c
 *
 * Login sessions: starting, refreshing, checking and renewing them. How they end is in
 * session_end.c, what a refresh token is made of in session_refresh_token.c.
 *
 * A session is one row with a generation that each refresh raises by one. Only the SHA-256 of the
 * current refresh token is stored. One UPDATE compares that hash, replaces it and raises the
 * generation; its row lock lets one caller win, and whoever waited for it decides anew by the row
 * that the winner left.
 *
 * The parent (the token of the generation before) gets the current token again, byte by byte, while
 * the grace lasts and nobody has used the current one: a client that lost the reply repeats its
 * call. Any other older token has been used twice, by its owner and by a thief: the caller's policy
 * decides what becomes of the session, and that is a value, not an ERROR, so it is committed though
 * the call is refused. A token we never issued changes nothing.
 *
 * Revocation. Whatever decides is read under the newest snapshot, and the UPDATE repeats it: the
 * session has not ended and is good for the user's token version that was read. Who revokes (a new
 * password, disabling, deletion) locks and changes the user's row first and its sessions then; a
 * start holds the user's row FOR SHARE; a refresh locks its session alone. So either a refresh is
 * the first, and what it made dies with the session, or it comes second and finds the session
 * ended; and nobody who holds a session's lock waits for a user's.
 *
 * Time. Only differences of a clock that may step back are used: a distance to the last rotation
 * counts in both directions, and order comes from the generation.
 */
#include "compat.h"

#include "mb/pg_wchar.h"
#include "storage/lock.h"

#include "audit.h"
#include "clock.h"
#include "core/net.h"
#include "core/uuid7.h"
#include "crypto/secret.h"
#include "id.h"
#include "session.h"
#include "session_refresh_token.h"
#include "spi.h"
#include "token.h"

/* A refresh that finds the row changed decides anew; each time somebody else has got ahead. */
#define REFRESH_ROUNDS_MAX 16

/* last_used_at is not moved by mere checks more often than this. */
#define TOUCH_US USECS_PER_MINUTE

/* In the fourth field of an advisory lock's tag; SQL's own functions use 1 and 2. */
#define SINGLE_LOCK_CLASS 77

static AmPlan user_lock_plan = {
	"SELECT token_version, disabled_at IS NOT NULL, email FROM authmeter.user WHERE id" AM_EQ
	"$1 FOR SHARE",
	1,
	{UUIDOID},
	NULL};
static AmPlan insert_plan = {
	"INSERT INTO authmeter.session (user_id, id, api, generation, refresh_hash, claims, "
	"token_version, good_version, replayable, created_at, rotated_at, last_used_at, expires_at, "
	"device, address) VALUES ($1, $2, $3, 1, $4, $5, $6, $6, false, $7, $7, $7, $8, $9, $10)",
	10,
	{UUIDOID, UUIDOID, TEXTOID, BYTEAOID, JSONBOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 TEXTOID, TEXTOID},
	NULL};
static AmPlan close_others_plan = {
	"UPDATE authmeter.session SET refresh_hash = NULL WHERE user_id" AM_EQ "$1 AND api" AM_EQ
	"$2 AND refresh_hash IS NOT NULL AND ended_at IS NULL",
	2,
	{UUIDOID, TEXTOID},
	NULL};
static AmPlan rotate_plan = {
	"UPDATE authmeter.session SET generation = generation" AM_PLUS "1, refresh_hash = $4, "
	"token_version = $5, replayable = $6, parent_at = rotated_at, rotated_at = $7, "
	"last_used_at = $7, expires_at = $8, address = COALESCE($9, address) "
	"WHERE user_id" AM_EQ "$1 AND id" AM_EQ "$2 AND authmeter.digest_equal(refresh_hash, $3) "
	"AND ended_at IS NULL AND good_version" AM_EQ "$5",
	9,
	{UUIDOID, UUIDOID, BYTEAOID, BYTEAOID, INT4OID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 TEXTOID},
	NULL};
static AmPlan close_plan = {"UPDATE authmeter.session SET refresh_hash = NULL WHERE user_id" AM_EQ
							"$1 AND id" AM_EQ
							"$2 AND refresh_hash IS NOT NULL AND ended_at IS NULL",
							2,
							{UUIDOID, UUIDOID},
							NULL};
static AmPlan touch_plan = {
	"UPDATE authmeter.session SET last_used_at = $4, replayable = false WHERE user_id" AM_EQ
	"$1 AND id" AM_EQ "$2 AND authmeter.digest_equal(refresh_hash, $3) AND ended_at IS NULL",
	4,
	{UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID},
	NULL};

/* A refresh token in hand, and the session that it names. */
typedef struct Presented
{
	AmTokenVerdict verdict;
	const pg_uuid_t *user_id; /* both point into verdict */
	const pg_uuid_t *session_id;
	int64 generation;
	bool proven; /* the generation is; if not, only the current token counts, by its hash */
	uint8 hash[AM_SHA256_BYTES];
	AmSession session;
} Presented;

static void
result_refuse(AmSessionResult *result, const char *reason)
{
	result->ok = false;
	result->reason = reason;
}

/* In its canonical spelling, or NULL. */
static char *
address_canonical(const char *address)
{
	amc_net_address parsed;
	char text[AMC_NET_TEXT_BYTES];

	if (address == NULL || !amc_net_parse(address, strlen(address), &parsed))
		return NULL;
	amc_net_format(&parsed, text);
	return pstrdup(text);
}

static void
session_audit(const char *action, const char *api, const AmSessionResult *result,
			  const AmSessionCaller *caller)
{
	char id[AMC_UUID_TEXT_BYTES + 1] = "";
	AmAuditPair pairs[2] = {{"api", api}, {"session", NULL}};
	AmAuditEvent event = {.action = action,
						  .outcome = result->reason,
						  .user_id = result->user_known ? &result->user_id : NULL,
						  .address = caller->address,
						  .request_id = caller->request_id};

	if (result->session_known)
	{
		amc_uuid_format(result->session_id.data, id);
		pairs[1].value = id;
	}
	event.detail = am_audit_detail(pairs, 2);
	am_audit_append(&event);
}

static char *
access_token(const AmSession *session, const AmSessionLifetimes *lifetimes,
			 const AmSessionResult *result)
{
	AmTokenOrder order = {.user_id = &result->user_id,
						  .session_id = &result->session_id,
						  .api = session->api,
						  .use = AM_TOKEN_USE_ACCESS,
						  .claims = session->claims};
	AmTokenStamp stamp = {.issued_s = am_clock_unix_s(am_clock_now()),
						  .version = session->user.token_version,
						  .email = session->email};

	stamp.expires_s =
		Min(stamp.issued_s + lifetimes->access_s, am_clock_unix_s(session->expires_at));
	return am_token_make(&order, &stamp);
}

/* Makes the row say "as of now", for a token of the generation it has. */
static void
session_stamp(AmSession *session, int64 lifetime_s)
{
	session->token_version = session->user.token_version;
	session->rotated_at = am_clock_now();
	session->expires_at = am_clock_from_unix_s(am_clock_unix_s(session->rotated_at) + lifetime_s);
}

/*
 * Lets the starts of one user and API that allow one session queue until the transaction ends. A
 * lock of the user's row would not do: logins hold it shared, and two could not both strengthen it.
 */
static void
single_lock(const AmSessionStart *order)
{
	uint8 digest[AM_SHA256_BYTES];
	uint32 key[2];
	LOCKTAG tag;

	am_sha256_pair(order->user_id->data, UUID_LEN, order->api, strlen(order->api), digest);
	memcpy(key, digest, sizeof(key));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, key[0], key[1], SINGLE_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static void
others_close(const AmSessionStart *order)
{
	Datum values[2] = {UUIDPGetDatum(order->user_id), CStringGetTextDatum(order->api)};

	single_lock(order);
	am_spi_begin();
	am_spi_run_newest(&close_others_plan, values, NULL);
	am_spi_end();
}

/* Reads the user's row and holds it until the transaction ends. */
static void
user_lock(const pg_uuid_t *user_id, AmSession *session)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum arg = UUIDPGetDatum(user_id);

	am_spi_begin();
	session->user_found = am_spi_run_newest(&user_lock_plan, &arg, NULL) == 1;
	if (session->user_found)
	{
		session->user.token_version = am_spi_int32(0, 1);
		session->user.disabled = am_spi_bool(0, 2);
		session->email = am_spi_text(0, 3, caller);
	}
	am_spi_end();
}

static Datum
text_or_null(const char *value, char *null_flag)
{
	*null_flag = value != NULL ? ' ' : 'n';
	return value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
}

static Datum
hash_datum(const uint8 *hash)
{
	return PointerGetDatum(am_bytea_new(hash, AM_SHA256_BYTES));
}

static Datum
device_datum(const char *device, char *null_flag)
{
	int len;

	*null_flag = device != NULL ? ' ' : 'n';
	if (device == NULL)
		return (Datum) 0;
	len = (int) strnlen(device, AM_SESSION_DEVICE_BYTES_MAX + MAX_MULTIBYTE_CHAR_LEN);
	len = pg_mbcliplen(device, len, AM_SESSION_DEVICE_BYTES_MAX);
	return PointerGetDatum(cstring_to_text_with_len(device, len));
}

static void
row_insert(const AmSessionStart *order, const AmSession *session, const pg_uuid_t *id)
{
	Datum values[10] = {UUIDPGetDatum(order->user_id), UUIDPGetDatum(id),
						CStringGetTextDatum(order->api), hash_datum(session->refresh_hash)};
	char nulls[] = "          ";

	values[4] = JsonbPGetDatum(session->claims);
	values[5] = Int32GetDatum(session->token_version);
	values[6] = TimestampTzGetDatum(session->rotated_at);
	values[7] = TimestampTzGetDatum(session->expires_at);
	values[8] = device_datum(order->device, &nulls[8]);
	values[9] = text_or_null(address_canonical(order->caller.address), &nulls[9]);
	am_spi_begin();
	am_spi_run(&insert_plan, values, nulls, 0);
	am_spi_end();
}

static const char *
user_refusal(const AmSession *session)
{
	if (!session->user_found)
		return "user_unknown";
	return session->user.disabled ? "user_disabled" : NULL;
}

static void
token_hash(const char *token, uint8 hash[AM_SHA256_BYTES])
{
	am_sha256(token, strlen(token), hash);
}

void
am_session_start(const AmSessionStart *order, AmSessionResult *result)
{
	AmSession session = {.api = pstrdup(order->api), .generation = 1, .claims = order->claims};
	const char *refusal;

	memset(result, 0, sizeof(*result));
	result->user_id = *order->user_id;
	user_lock(order->user_id, &session);
	refusal = user_refusal(&session);
	result->user_known = session.user_found;
	if (refusal != NULL)
	{
		result_refuse(result, refusal);
		session_audit("session_start", order->api, result, &order->caller);
		return;
	}
	result->session_known = true;
	result->session_id = am_id_new(am_id_partition(order->user_id));
	session_stamp(&session, order->lifetimes.refresh_s);
	result->refresh_token = am_session_refresh_token(order->user_id, &result->session_id, &session);
	token_hash(result->refresh_token, session.refresh_hash);
	if (order->single)
		others_close(order);
	row_insert(order, &session, &result->session_id);
	result->access_token = access_token(&session, &order->lifetimes, result);
	result->ok = true;
	result->reason = "ok";
	session_audit("session_start", order->api, result, &order->caller);
}

/*
 * Replaces the refresh token of the session as it was read. False, with nothing changed, when the
 * row is not like that any more. The session is brought up to date.
 */
static bool
session_rotate(AmSession *session, const AmSessionLifetimes *lifetimes, const char *address,
			   bool replayable, AmSessionResult *result)
{
	Datum values[9] = {UUIDPGetDatum(&result->user_id), UUIDPGetDatum(&result->session_id),
					   hash_datum(session->refresh_hash)};
	char nulls[] = "         ";
	bool rotated;

	session->generation++;
	session_stamp(session, lifetimes->refresh_s);
	result->refresh_token =
		am_session_refresh_token(&result->user_id, &result->session_id, session);
	token_hash(result->refresh_token, session->refresh_hash);
	values[3] = hash_datum(session->refresh_hash);
	values[4] = Int32GetDatum(session->token_version);
	values[5] = BoolGetDatum(replayable);
	values[6] = TimestampTzGetDatum(session->rotated_at);
	values[7] = TimestampTzGetDatum(session->expires_at);
	values[8] = text_or_null(address_canonical(address), &nulls[8]);
	am_spi_begin();
	rotated = am_spi_run_newest(&rotate_plan, values, nulls) == 1;
	am_spi_end();
	if (!rotated)
		result->refresh_token = NULL;
	return rotated;
}

/* Why a session takes no refresh token at all, or NULL. */
static const char *
session_refusal(const AmSession *session)
{
	if (user_refusal(session) != NULL)
		return user_refusal(session);
	if (!session->found)
		return "session_unknown";
	if (session->ended)
		return "session_ended";
	if (session->closed)
		return "session_closed";
	return session->good_version != session->user.token_version ? "revoked" : NULL;
}

static void
session_fetch(Presented *presented, AmSessionResult *result)
{
	am_session_read(presented->user_id, presented->session_id, &presented->session);
	result->user_known = presented->session.user_found;
	result->session_known = presented->session.found;
}

/*
 * What the token itself can answer. False when it is no refresh token of ours for this API, which
 * the result then says. The token may be any bytes.
 */
static bool
token_present(const char *token, Size token_bytes, const char *api, Presented *presented,
			  AmSessionResult *result)
{
	AmTokenVerdict *verdict = &presented->verdict;

	memset(result, 0, sizeof(*result));
	am_token_read((amc_span){api, strlen(api)}, AM_TOKEN_USE_REFRESH, token, token_bytes, verdict);
	if (verdict->outcome == AM_TOKEN_OK && verdict->in_session)
	{
		presented->user_id = &verdict->user_id;
		presented->session_id = &verdict->session_id;
		presented->generation = am_session_generation(&verdict->user_id, &verdict->session_id,
													  verdict->jti, &presented->proven);
		if (presented->generation > 0)
		{
			am_sha256(token, token_bytes, presented->hash);
			result->user_id = verdict->user_id;
			result->session_id = verdict->session_id;
			return true;
		}
	}
	result_refuse(result, verdict->outcome == AM_TOKEN_EXPIRED ? "expired" : "invalid");
	return false;
}

/* Is the token the one that the row says is current? A younger one was undone by a restore. */
static bool
is_current(const Presented *presented)
{
	return presented->generation == presented->session.generation &&
		   am_secret_equal(presented->hash, presented->session.refresh_hash, AM_SHA256_BYTES);
}

static bool
is_older(const Presented *presented)
{
	return presented->proven && presented->generation < presented->session.generation;
}

/* Was the token replaced within this span? Known of the last two. */
static bool
replaced_within(const Presented *presented, int64 span_us)
{
	const AmSession *session = &presented->session;
	int64 age = session->generation - presented->generation;
	TimestampTz at = age == 1 ? session->rotated_at : session->parent_at;
	int64 elapsed_us;

	if (span_us <= 0 || age < 1 || age > 2 || TIMESTAMP_IS_NOBEGIN(at))
		return false;
	elapsed_us = am_clock_now() - at;
	return elapsed_us <= span_us && elapsed_us >= -span_us;
}

/* The successor once more; false when it cannot be made again (another signing or master key). */
static bool
successor_replay(Presented *presented, const AmSessionRefresh *order, AmSessionResult *result)
{
	uint8 hash[AM_SHA256_BYTES];

	result->refresh_token =
		am_session_refresh_token(presented->user_id, presented->session_id, &presented->session);
	token_hash(result->refresh_token, hash);
	if (!am_secret_equal(hash, presented->session.refresh_hash, AM_SHA256_BYTES))
	{
		result->refresh_token = NULL;
		return false;
	}
	result->access_token = access_token(&presented->session, &order->lifetimes, result);
	result->ok = result->replayed = true;
	result->reason = "replayed";
	return true;
}

/* Does to the session what the policy says; false when it is not as it was read any more. */
static bool
reuse_punish(const Presented *presented, AmSessionReuse reuse)
{
	Datum values[2] = {UUIDPGetDatum(presented->user_id), UUIDPGetDatum(presented->session_id)};
	bool done;

	if (reuse == AM_SESSION_REUSE_REFUSE)
		return true;
	if (reuse == AM_SESSION_REUSE_END)
		return am_session_end(presented->user_id, presented->session_id, "reused");
	am_spi_begin();
	done = am_spi_run_newest(&close_plan, values, NULL) == 1;
	am_spi_end();
	return done;
}

/* A token that was replaced. False: look at the row again. */
static bool
older_decide(Presented *presented, const AmSessionRefresh *order, AmSessionResult *result)
{
	int64 age = presented->session.generation - presented->generation;

	if (age == 1 && presented->session.replayable && replaced_within(presented, order->grace_us))
	{
		if (!successor_replay(presented, order, result))
			result_refuse(result, "superseded");
		return true;
	}
	if (replaced_within(presented, order->tolerance_us))
	{
		result_refuse(result, "superseded");
		return true;
	}
	result_refuse(result, "reused");
	return reuse_punish(presented, order->reuse);
}

/* One round; false when somebody else has changed the row meanwhile. */
static bool
refresh_decide(Presented *presented, const AmSessionRefresh *order, AmSessionResult *result)
{
	AmSession *session = &presented->session;
	const char *refusal;

	session_fetch(presented, result);
	refusal = session_refusal(session);
	if (refusal != NULL)
		result_refuse(result, refusal);
	else if (strcmp(session->api, order->api) != 0)
		result_refuse(result, "invalid");
	else if (is_older(presented))
		return older_decide(presented, order, result);
	else if (!is_current(presented))
		result_refuse(result, "invalid");
	else if (session->expires_at <= am_clock_now())
		result_refuse(result, "expired");
	else
	{
		if (!session_rotate(session, &order->lifetimes, order->caller.address, true, result))
			return false;
		result->access_token = access_token(session, &order->lifetimes, result);
		result->ok = true;
		result->reason = "ok";
	}
	return true;
}

static _Noreturn void
rounds_exhausted(void)
{
	ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			errmsg("could not refresh a session due to concurrent changes"));
}

void
am_session_refresh(const AmSessionRefresh *order, AmSessionResult *result)
{
	Presented presented;
	int round = 0;

	if (token_present(order->token, order->token_bytes, order->api, &presented, result))
	{
		while (!refresh_decide(&presented, order, result))
			if (++round == REFRESH_ROUNDS_MAX)
				rounds_exhausted();
	}
	if (!result->ok || result->replayed)
		session_audit("session_refresh", order->api, result, &order->caller);
}

/*
 * Notes the use of a session, and that its current token has arrived. Not worth more than it costs:
 * left out in a read-only transaction and within TOUCH_US.
 */
static void
session_touch(const Presented *presented)
{
	TimestampTz now = am_clock_now();
	Datum values[4] = {UUIDPGetDatum(presented->user_id), UUIDPGetDatum(presented->session_id),
					   hash_datum(presented->hash), TimestampTzGetDatum(now)};

	if (XactReadOnly ||
		(!presented->session.replayable && now - presented->session.last_used_at < TOUCH_US))
		return;
	am_spi_begin();
	am_spi_run_newest(&touch_plan, values, NULL);
	am_spi_end();
}

void
am_session_check(const char *token, Size token_bytes, const char *api, AmSessionResult *result)
{
	Presented presented;
	const char *refusal;

	if (!token_present(token, token_bytes, api, &presented, result))
		return;
	session_fetch(&presented, result);
	refusal = session_refusal(&presented.session);
	if (refusal != NULL)
		result_refuse(result, refusal);
	else if (strcmp(presented.session.api, api) != 0)
		result_refuse(result, "invalid");
	else if (is_older(&presented))
		result_refuse(result, "superseded");
	else if (!is_current(&presented))
		result_refuse(result, "invalid");
	else if (presented.session.expires_at <= am_clock_now())
		result_refuse(result, "expired");
	else
	{
		session_touch(&presented);
		result->ok = true;
		result->reason = "ok";
	}
}

/* One round; false when somebody else has changed the row meanwhile. */
static bool
renew_decide(const AmSessionLifetimes *lifetimes, AmSessionResult *result)
{
	AmSession session;
	const char *refusal;

	am_session_read(&result->user_id, &result->session_id, &session);
	result->user_known = session.user_found;
	result->session_known = session.found;
	refusal = session_refusal(&session);
	if (refusal != NULL)
	{
		result_refuse(result, refusal);
		return true;
	}
	if (!session_rotate(&session, lifetimes, NULL, false, result))
		return false;
	result->access_token = access_token(&session, lifetimes, result);
	result->ok = true;
	result->reason = "ok";
	return true;
}

void
am_session_renew(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
				 const AmSessionLifetimes *lifetimes, AmSessionResult *result)
{
	int round = 0;

	memset(result, 0, sizeof(*result));
	result->user_id = *user_id;
	result->session_id = *session_id;
	while (!renew_decide(lifetimes, result))
		if (++round == REFRESH_ROUNDS_MAX)
			rounds_exhausted();
}

/*-------------------------------------------------------------------------
 *
 * mailer_database.c
 *	  The mailer's one connection to the database; see mailer_database.h.
 *
 *-------------------------------------------------------------------------
 */
#include "mailer_database.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config_table.h"

#define NUMBER_BYTES   24
#define COLUMNS        9
#define DONE_ARGUMENTS 4

struct AmDatabase
{
	PGconn *pg; /* NULL = not connected */
	bool notified;
	char error[AM_DATABASE_ERROR_BYTES];
	char sqlstate[AM_SQLSTATE_BYTES];
};

/* No object that somebody planted in the way shall be found. */
static const char session_sql[] = "SET search_path = pg_catalog, pg_temp;"
								  "SET default_transaction_isolation = 'read committed';"
								  "SET application_name = 'authmeter-mailer';"
								  "LISTEN authmeter_mail";

static const char claim_sql[] =
	"SELECT c.id, c.claim, c.recipient, c.subject, c.text, c.html, c.attempt, "
	"floor(extract(epoch FROM c.created_at))::bigint, c.good_for_ms "
	"FROM authmeter.mail_claim($1::integer, $2::bigint * interval '1 millisecond') c";

static const char done_sql[] = "SELECT authmeter.mail_done($1::uuid, $2::uuid, $3, $4)";

/* ---- time and errors ---- */

static int64_t
now_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first line of a message. */
static void
error_take(AmDatabase *database, const char *message, const char *sqlstate)
{
	(void) snprintf(database->error, sizeof(database->error), "%.*s",
					(int) strcspn(message, "\r\n"), message);
	(void) snprintf(database->sqlstate, sizeof(database->sqlstate), "%s",
					sqlstate != NULL ? sqlstate : "");
}

static void
disconnect(AmDatabase *database)
{
	PQfinish(database->pg);
	database->pg = NULL;
}

static AmDatabaseOutcome
lose(AmDatabase *database, const char *message)
{
	error_take(database, message, NULL);
	disconnect(database);
	return AM_DATABASE_LOST;
}

/* Waits for events on the socket; false when the deadline has passed. */
static bool
wait_for(const AmDatabase *database, short events, int64_t deadline_ms)
{
	struct pollfd watched = {.fd = PQsocket(database->pg), .events = events};

	for (;;)
	{
		int64_t left = deadline_ms - now_ms();
		int ready;

		if (left <= 0)
			return false;
		ready = poll(&watched, 1, (int) left);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

/* ---- connecting ---- */

AmDatabase *
am_database_new(void)
{
	return calloc(1, sizeof(AmDatabase));
}

void
am_database_free(AmDatabase *database)
{
	if (database == NULL)
		return;
	disconnect(database);
	free(database);
}

bool
am_database_connected(const AmDatabase *database)
{
	return database->pg != NULL;
}

int
am_database_socket(const AmDatabase *database)
{
	return database->pg != NULL ? PQsocket(database->pg) : -1;
}

const char *
am_database_error(const AmDatabase *database)
{
	return database->error;
}

const char *
am_database_sqlstate(const AmDatabase *database)
{
	return database->sqlstate;
}

static bool
connection_open(AmDatabase *database, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status == PGRES_POLLING_WRITING || status == PGRES_POLLING_READING)
	{
		if (!wait_for(database, status == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, deadline_ms))
		{
			(void) lose(database, "the connection took longer than connect_timeout_ms");
			return false;
		}
		status = PQconnectPoll(database->pg);
	}
	if (status == PGRES_POLLING_OK)
		return true;
	(void) lose(database, PQerrorMessage(database->pg));
	return false;
}

/* Libpq's notices would go to standard error and could quote. */
static void
notice_drop(void *state, const PGresult *result)
{
	(void) state;
	(void) result;
}

static AmDatabaseOutcome ask(AmDatabase *database, int64_t deadline_ms, PGresult **result);

bool
am_database_connect(AmDatabase *database, const AmConfig *config)
{
	const char *names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {config->database, am_program.name, "UTF8", NULL};
	int64_t deadline_ms = now_ms() + config->connect_timeout_ms;
	PGresult *result = NULL;
	bool ready;

	disconnect(database);
	database->pg = PQconnectStartParams(names, values, 1);
	if (database->pg == NULL || PQstatus(database->pg) == CONNECTION_BAD)
	{
		(void) lose(database,
					database->pg != NULL ? PQerrorMessage(database->pg) : "out of memory");
		return false;
	}
	(void) PQsetNoticeReceiver(database->pg, notice_drop, NULL);
	if (!connection_open(database, deadline_ms))
		return false;
	if (PQsendQuery(database->pg, session_sql) != 1)
	{
		(void) lose(database, PQerrorMessage(database->pg));
		return false;
	}
	ready = ask(database, deadline_ms, &result) == AM_DATABASE_OK;
	PQclear(result);
	if (!ready)
		disconnect(database);
	/* Mail may have come while nobody listened. */
	database->notified = true;
	return ready;
}

/* ---- asking ---- */

static void
notifications_take(AmDatabase *database)
{
	PGnotify *notify;

	while ((notify = PQnotifies(database->pg)) != NULL)
	{
		database->notified = true;
		PQfreemem(notify);
	}
}

bool
am_database_notified(AmDatabase *database)
{
	bool notified;

	if (database->pg != NULL && PQconsumeInput(database->pg) != 1)
		(void) lose(database, PQerrorMessage(database->pg));
	if (database->pg != NULL)
		notifications_take(database);
	notified = database->notified;
	database->notified = false;
	return notified;
}

/* Waits until the whole of a query's answer is there, or part of the results of several. */
static bool
answer_await(AmDatabase *database, int64_t deadline_ms)
{
	int unsent;

	while ((unsent = PQflush(database->pg)) == 1)
	{
		if (!wait_for(database, POLLOUT, deadline_ms))
			return false;
	}
	if (unsent != 0)
		return false;
	while (PQisBusy(database->pg) == 1)
	{
		if (!wait_for(database, POLLIN, deadline_ms) || PQconsumeInput(database->pg) != 1)
			return false;
	}
	return true;
}

/*
 * Takes all results of what was sent; *result is the last.  The caller clears it, after
 * failures too.
 */
static AmDatabaseOutcome
ask(AmDatabase *database, int64_t deadline_ms, PGresult **result)
{
	AmDatabaseOutcome outcome = AM_DATABASE_OK;
	PGresult *next;

	*result = NULL;
	for (;;)
	{
		if (!answer_await(database, deadline_ms))
			return lose(database, now_ms() >= deadline_ms ? "the database took too long to answer"
														  : PQerrorMessage(database->pg));
		next = PQgetResult(database->pg);
		if (next == NULL)
			break;
		PQclear(*result);
		*result = next;
		if (PQresultStatus(next) != PGRES_TUPLES_OK && PQresultStatus(next) != PGRES_COMMAND_OK)
		{
			const char *message = PQresultErrorField(next, PG_DIAG_MESSAGE_PRIMARY);

			error_take(database, message != NULL ? message : PQresultErrorMessage(next),
					   PQresultErrorField(next, PG_DIAG_SQLSTATE));
			outcome = AM_DATABASE_REFUSED;
		}
	}
	notifications_take(database);
	if (PQstatus(database->pg) == CONNECTION_OK)
		return outcome;
	/* The server said why before it hung up. */
	disconnect(database);
	return AM_DATABASE_LOST;
}

static AmDatabaseOutcome
call(AmDatabase *database, const AmConfig *config, const char *sql, int count,
	 const char *const *arguments, PGresult **result)
{
	*result = NULL;
	if (database->pg == NULL)
		return AM_DATABASE_LOST;
	if (PQsendQueryParams(database->pg, sql, count, NULL, arguments, NULL, NULL, 0) != 1)
		return lose(database, PQerrorMessage(database->pg));
	return ask(database, now_ms() + config->mailer.database_timeout_ms, result);
}

/* ---- claims ---- */

static const char *
field(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int64_t
number_field(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static AmClaimedMail
mail_of(const PGresult *result, int row)
{
	return (AmClaimedMail){
		.id = PQgetvalue(result, row, 0),
		.claim = PQgetvalue(result, row, 1),
		.recipient = PQgetvalue(result, row, 2),
		.subject = PQgetvalue(result, row, 3),
		.text = PQgetvalue(result, row, 4),
		.html = field(result, row, 5),
		.attempt = (int) number_field(result, row, 6),
		.created_s = number_field(result, row, 7),
		.good_for_ms = number_field(result, row, 8),
	};
}

AmDatabaseOutcome
am_database_claim(AmDatabase *database, const AmConfig *config, AmClaims *claims)
{
	char batch[NUMBER_BYTES];
	char lease_ms[NUMBER_BYTES];
	const char *arguments[] = {batch, lease_ms};
	PGresult *result;
	AmDatabaseOutcome outcome;

	memset(claims, 0, sizeof(*claims));
	(void) snprintf(batch, sizeof(batch), "%d", config->mailer.batch);
	(void) snprintf(lease_ms, sizeof(lease_ms), "%d", config->mailer.lease_ms);
	outcome = call(database, config, claim_sql, 2, arguments, &result);
	claims->result = result;
	if (outcome == AM_DATABASE_OK && PQnfields(result) == COLUMNS)
	{
		claims->mail = calloc((size_t) PQntuples(result) + 1, sizeof(AmClaimedMail));
		claims->count = claims->mail != NULL ? PQntuples(result) : 0;
		for (int row = 0; row < claims->count; row++)
			claims->mail[row] = mail_of(result, row);
		return outcome;
	}
	am_claims_free(claims);
	return outcome;
}

/* The library does not wipe what it frees; these texts hold codes. */
void
am_claims_free(AmClaims *claims)
{
	PGresult *result = claims->result;

	for (int row = 0; result != NULL && row < PQntuples(result); row++)
	{
		for (int column = 0; column < PQnfields(result); column++)
			explicit_bzero(PQgetvalue(result, row, column),
						   (size_t) PQgetlength(result, row, column));
	}
	PQclear(result);
	free(claims->mail);
	memset(claims, 0, sizeof(*claims));
}

/* ---- reports ---- */

static const char *
outcome_name(AmMailOutcome outcome)
{
	static const char *const names[] = {
		[AM_MAIL_SENT] = "sent",
		[AM_MAIL_DEFERRED] = "deferred",
		[AM_MAIL_REJECTED] = "rejected",
		[AM_MAIL_RELEASED] = "released",
	};

	return names[outcome];
}

AmDatabaseOutcome
am_database_done(AmDatabase *database, const AmConfig *config, const char *id, const char *claim,
				 AmMailOutcome outcome, const char *error, char state[16])
{
	const char *arguments[DONE_ARGUMENTS] = {id, claim, outcome_name(outcome), error};
	PGresult *result;
	AmDatabaseOutcome done = call(database, config, done_sql, DONE_ARGUMENTS, arguments, &result);

	state[0] = '\0';
	if (done == AM_DATABASE_OK && PQntuples(result) == 1)
		(void) snprintf(state, 16, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return done;
}

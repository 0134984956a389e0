/*
 * housekeeper.c
 *
 * Housekeeping without anybody calling it, when the library is preloaded.
 *
 * A worker process belongs to one database, so there are two kinds. The launcher, one a server, is
 * connected to none: it reads pg_database and starts, one after the other, a short-lived worker in
 * each database that is due: every authmeter.housekeeping_interval_s seconds, or when the last
 * round had more to do; one without the extension every ABSENT_RETRY_S only. SIGHUP makes all due.
 *
 * A worker does one round of at most ROUND_MS and ends, so it is in nobody's way for long: DROP
 * DATABASE waits 5 s for others to leave before it gives up. Each batch of a task is a transaction
 * of its own. It holds the extension's object lock, which DROP EXTENSION takes first, and gives up
 * waiting for any other lock after LOCK_TIMEOUT_MS. Whatever fails is recorded and done again in
 * the next round.
 *
 * Shared memory: one answer, of the worker that runs. Written by it and read by the launcher after
 * its end, both under the lock; a worker that left none has failed, and the next comes in its time.
 */
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "housekeeper.h"
#include "housekeeping.h"

#define ABSENT_RETRY_S  300
#define RESTART_S       5
#define ROUND_MS        2000
#define ROUND_LIMIT_S   600 /* a worker that has not ended by then is terminated */
#define LOCK_TIMEOUT_MS "1000"
#define BATCH_ROWS      1000
#define MORE_RETRY_S    1
#define DATABASES_FIRST 64 /* size that the launcher's table has at first */

typedef enum Answer
{
	ANSWER_NONE, /* the worker has failed */
	ANSWER_ABSENT,
	ANSWER_DONE,
	ANSWER_MORE
} Answer;

typedef struct HousekeeperMemory
{
	Oid database;
	Answer answer;
} HousekeeperMemory;

/* What the launcher knows of a database. */
typedef struct Database
{
	Oid oid; /* hash key */
	TimestampTz due_at;
	bool seen;
} Database;

PGDLLEXPORT void authmeter_housekeeper_launcher(Datum arg);
PGDLLEXPORT void authmeter_housekeeper_worker(Datum arg);

static Size memory_size(void);
static void memory_init(void *part);

AmShmemPart am_housekeeper_shmem = {
	.name = "authmeter housekeeper", .locks = 1, .size = memory_size, .init = memory_init};

static HTAB *databases = NULL;

static Size
memory_size(void)
{
	return sizeof(HousekeeperMemory);
}

static void
memory_init(void *part)
{
	memset(part, 0, sizeof(HousekeeperMemory));
}

static void
answer_put(Oid database, Answer answer)
{
	HousekeeperMemory *memory = am_housekeeper_shmem.memory;

	LWLockAcquire(&am_housekeeper_shmem.lock->lock, LW_EXCLUSIVE);
	memory->database = database;
	memory->answer = answer;
	LWLockRelease(&am_housekeeper_shmem.lock->lock);
}

static Answer
answer_take(Oid database)
{
	HousekeeperMemory *memory = am_housekeeper_shmem.memory;
	Answer answer;

	LWLockAcquire(&am_housekeeper_shmem.lock->lock, LW_SHARED);
	answer = memory->database == database ? memory->answer : ANSWER_NONE;
	LWLockRelease(&am_housekeeper_shmem.lock->lock);
	return answer;
}

/* ---- the worker of a database ---------------------------------------------------------------- */

/* The extension, locked against DROP EXTENSION until the end of the transaction. */
static bool
extension_lock(void)
{
	Oid oid = get_extension_oid("authmeter", true);

	if (!OidIsValid(oid))
		return false;
	LockDatabaseObject(ExtensionRelationId, oid, 0, AccessShareLock);
	/* It may be gone, or another, by now. */
	return get_extension_oid("authmeter", true) == oid;
}

/* Not of an older version, which is to be updated first. */
static bool
extension_present(void)
{
	bool present;

	StartTransactionCommand();
	present =
		OidIsValid(get_extension_oid("authmeter", true)) &&
		OidIsValid(get_relname_relid("housekeeping_state", get_namespace_oid("authmeter", true)));
	CommitTransactionCommand();
	return present;
}

/* One batch in a transaction; true when there is more. */
static bool
batch_run(int task)
{
	bool more = false;

	StartTransactionCommand();
	if (extension_lock())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		more = am_housekeeping_run(task, BATCH_ROWS).more;
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	return more;
}

/* The same; an error is logged and ends this batch only. */
static bool
batch_try(int task)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool more = false;

	PG_TRY();
	{
		more = batch_run(task);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	return more;
}

/* All tasks in turns, until none has more or the time is up. */
static Answer
round_run(void)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ROUND_MS);
	uint64 waiting = (UINT64CONST(1) << am_housekeeping_tasks()) - 1; /* a bit a task */
	int task;

	while (waiting != 0)
		for (task = 0; task < am_housekeeping_tasks(); task++)
		{
			if ((waiting & (UINT64CONST(1) << task)) == 0)
				continue;
			CHECK_FOR_INTERRUPTS();
			if (GetCurrentTimestamp() >= end)
				return ANSWER_MORE;
			if (!batch_try(task))
				waiting &= ~(UINT64CONST(1) << task);
		}
	return ANSWER_DONE;
}

void
authmeter_housekeeper_worker(Datum arg)
{
	Oid database = DatumGetObjectId(arg);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT_MS, PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("authmeter housekeeping");
	answer_put(database, extension_present() ? round_run() : ANSWER_ABSENT);
	proc_exit(0);
}

/* ---- the launcher ---------------------------------------------------------------------------- */

static void
worker_describe(BackgroundWorker *worker, const char *function, const char *name)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	strlcpy(worker->bgw_library_name, "authmeter", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker->bgw_name, name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, name, BGW_MAXLEN);
}

static void
database_note(Oid oid)
{
	bool found;
	Database *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
		database->due_at = 0;
	database->seen = true;
}

/* Forgets those that were dropped. */
static void
databases_forget_unseen(void)
{
	HASH_SEQ_STATUS scan;
	Database *database;

	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (!database->seen)
			hash_search(databases, &database->oid, HASH_REMOVE, NULL);
		else
			database->seen = false;
	}
}

/* What there is now, in pg_database; no database is needed for that. */
static void
databases_read(void)
{
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);

		if (row->datallowconn && !row->datistemplate && row->datconnlimit >= -1)
			database_note(row->oid);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	databases_forget_unseen();
}

/* Sleeps until something is to be done. Ends here on SIGTERM, with a status that means "again". */
static void
latch_wait(long timeout_ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(1);
}

/* Until the worker has ended; the postmaster sets our latch then. */
static void
worker_await(BackgroundWorkerHandle *handle)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ROUND_LIMIT_S * 1000);
	pid_t pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		if (GetCurrentTimestamp() >= end)
			TerminateBackgroundWorker(handle);
		latch_wait(1000);
	}
}

/* Runs a worker in the database to its end. */
static Answer
database_visit(Oid oid)
{
	static bool told = false;
	BackgroundWorkerHandle *handle;
	BackgroundWorker worker;

	worker_describe(&worker, "authmeter_housekeeper_worker", "authmeter housekeeping");
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(oid);
	worker.bgw_notify_pid = MyProcPid;
	answer_put(oid, ANSWER_NONE);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		if (!told)
			ereport(WARNING, errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					errmsg("could not start a worker for the housekeeping of authmeter"),
					errhint("Raise max_worker_processes."));
		told = true;
		return ANSWER_NONE;
	}
	told = false;
	worker_await(handle);
	pfree(handle);
	return answer_take(oid);
}

static TimestampTz
due_after(Answer answer)
{
	int64 wait_s = am_guc_housekeeping_interval_s;

	if (answer == ANSWER_MORE)
		wait_s = Min(wait_s, MORE_RETRY_S);
	else if (answer == ANSWER_ABSENT)
		wait_s = Max(wait_s, ABSENT_RETRY_S);
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_s * 1000);
}

/* A database that is due, or InvalidOid and the time until one is. */
static Oid
database_due(long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz first = TimestampTzPlusMilliseconds(now, am_guc_housekeeping_interval_s * 1000);
	HASH_SEQ_STATUS scan;
	Database *database;

	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (database->due_at <= now)
		{
			hash_seq_term(&scan);
			return database->oid;
		}
		first = Min(first, database->due_at);
	}
	*wait_ms = Max((first - now) / 1000, 1);
	return InvalidOid;
}

static void
databases_visit(void)
{
	long wait_ms = 0;
	Oid oid;

	databases_read();
	while (!ConfigReloadPending && am_guc_housekeeping_interval_s > 0 &&
		   OidIsValid(oid = database_due(&wait_ms)))
	{
		Answer answer = database_visit(oid);
		Database *database = hash_search(databases, &oid, HASH_FIND, NULL);

		database->due_at = due_after(answer);
	}
}

static void
config_reload(void)
{
	HASH_SEQ_STATUS scan;
	Database *database;

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
		database->due_at = 0;
}

void
authmeter_housekeeper_launcher(Datum arg)
{
	HASHCTL shape = {.keysize = sizeof(Oid), .entrysize = sizeof(Database)};

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	databases = hash_create("authmeter databases", DATABASES_FIRST, &shape, HASH_ELEM | HASH_BLOBS);
	for (;;)
	{
		long wait_ms = 3600 * 1000L;

		if (am_guc_housekeeping_interval_s > 0)
		{
			databases_visit();
			(void) database_due(&wait_ms);
		}
		if (!ConfigReloadPending)
			latch_wait(wait_ms);
		if (ConfigReloadPending)
			config_reload();
	}
}

void
am_housekeeper_define(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	worker_describe(&worker, "authmeter_housekeeper_launcher", "authmeter launcher");
	worker.bgw_restart_time = RESTART_S;
	RegisterBackgroundWorker(&worker);
}

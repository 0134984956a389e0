/*
 * setting.c
 *
 * The backend's copy of the settings, and the SQL functions that read and change them. See cache.h
 * for what invalidates the copy.
 */
#include "compat.h"

#include "utils/guc.h"

#include "audit.h"
#include "cache.h"
#include "clock.h"
#include "setting_table.h"
#include "spi.h"

/* bcrypt below this cost is for development only (contract I3). */
#define BCRYPT_COST_PRODUCTION_MIN 10

PG_FUNCTION_INFO_V1(authmeter_setting_get);
PG_FUNCTION_INFO_V1(authmeter_setting_list);
PG_FUNCTION_INFO_V1(authmeter_setting_set);

static void settings_load(MemoryContext cxt);

static AmCache cache = {.relation = "setting", .load = settings_load};
static AmSettingValue values[AM_SETTING_COUNT];
static bool from_table[AM_SETTING_COUNT];

static AmPlan load_plan = {"SELECT name, value FROM authmeter.setting", 0, {0}, NULL};
static AmPlan set_plan = {
	"INSERT INTO authmeter.setting AS s (name, value, updated_at, updated_by) "
	"VALUES ($1, $2, $3, session_user) ON CONFLICT (name) DO UPDATE "
	"SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by",
	3,
	{TEXTOID, TEXTOID, TIMESTAMPTZOID},
	NULL};
static AmPlan reset_plan = {
	"DELETE FROM authmeter.setting WHERE name" AM_EQ "$1", 1, {TEXTOID}, NULL};

static const char *
default_text(AmSettingId id)
{
	const AmSettingDef *def = &am_setting_table[id];

	if (def->development != NULL && values[AM_SETTING_ENVIRONMENT].number == 1)
		return def->development;
	return def->dflt;
}

/* A row this version cannot read (renamed, narrower range) counts as absent, with a warning. */
static void
row_load(const char *name, const char *text)
{
	AmSettingId id = am_setting_lookup(name);
	const char *wrong = id == AM_SETTING_COUNT
							? "The setting does not exist."
							: am_setting_parse(&am_setting_table[id], text, &values[id]);

	if (wrong == NULL)
		from_table[id] = true;
	else
		ereport(WARNING, errcode(ERRCODE_AM_SETTING_INVALID),
				errmsg("stored setting \"%s\" is ignored", name), errdetail("%s", wrong));
}

static void
settings_load(MemoryContext cxt)
{
	uint64 rows = am_spi_read_latest(&load_plan, NULL, NULL, 0);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	uint64 i;

	memset(values, 0, sizeof(values));
	memset(from_table, 0, sizeof(from_table));
	for (i = 0; i < rows; i++)
		row_load(am_spi_text(i, 1, NULL), am_spi_text(i, 2, NULL));
	/* The environment comes first: other defaults depend on it. */
	for (i = 0; i < AM_SETTING_COUNT; i++)
		if (!from_table[i])
			(void) am_setting_parse(&am_setting_table[i], default_text((AmSettingId) i),
									&values[i]);
	MemoryContextSwitchTo(old);
}

static const AmSettingValue *
value_of(AmSettingId id, AmSettingType type)
{
	Assert(am_setting_table[id].type == type);
	(void) type;
	am_cache_ensure(&cache);
	return &values[id];
}

const char *
am_setting_meaning(AmSettingId id)
{
	return am_setting_table[id].meaning;
}

int64
am_setting_int(AmSettingId id)
{
	return value_of(id, am_setting_table[id].type)->number;
}

bool
am_setting_development(void)
{
	return value_of(AM_SETTING_ENVIRONMENT, AM_TYPE_ENVIRONMENT)->number == 1;
}

bool
am_setting_strict(AmSettingId id)
{
	const AmSettingValue *value = value_of(id, AM_TYPE_POLICY);

	return value->automatic ? !am_setting_development() : value->number == 1;
}

bool
am_setting_rate(AmSettingId id, amc_rate *rate)
{
	const AmSettingValue *value = value_of(id, AM_TYPE_RATE);

	*rate = value->rate;
	return !value->automatic;
}

bool
am_setting_in_networks(AmSettingId id, const char *address)
{
	const AmSettingValue *value = value_of(id, AM_TYPE_NETWORKS);
	amc_net_address parsed;

	return value->networks_count > 0 && address != NULL &&
		   amc_net_parse(address, strlen(address), &parsed) &&
		   amc_net_list_has(value->networks, value->networks_count, &parsed);
}

/* The text in force; a server setting's comes from the server. */
const char *
am_setting_text(AmSettingId id)
{
	const AmSettingDef *def = &am_setting_table[id];

	if (def->type == AM_TYPE_SERVER)
		return GetConfigOption(def->name, false, false);
	am_cache_ensure(&cache);
	return values[id].text;
}

static AmSettingId
lookup_or_raise(const char *name)
{
	AmSettingId id = am_setting_lookup(name);
	const char *nearest;

	if (id != AM_SETTING_COUNT)
		return id;
	nearest = am_setting_nearest(name);
	ereport(ERROR, errcode(ERRCODE_AM_SETTING_UNKNOWN),
			errmsg("setting \"%s\" does not exist", name),
			nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest)
							: errhint("authmeter.setting_list() shows all settings."));
	return id;
}

/* Bounds that depend on another setting: cheap bcrypt is for development. */
static const char *
cross_check(AmSettingId id, const AmSettingValue *value)
{
	static const AmSettingId costs[] = {AM_SETTING_BCRYPT_COST, AM_SETTING_QUIZZER_BCRYPT_ROUNDS};
	bool to_production = id == AM_SETTING_ENVIRONMENT && value->number == 0;
	int i;

	for (i = 0; i < lengthof(costs); i++)
	{
		if (id == costs[i] && value->number < BCRYPT_COST_PRODUCTION_MIN &&
			!am_setting_development())
			return psprintf("The value must be at least %d outside development.",
							BCRYPT_COST_PRODUCTION_MIN);
		if (to_production && am_setting_int(costs[i]) < BCRYPT_COST_PRODUCTION_MIN)
			return psprintf("Set %s to at least %d first.", am_setting_table[costs[i]].name,
							BCRYPT_COST_PRODUCTION_MIN);
	}
	return NULL;
}

static void
value_check(AmSettingId id, const char *text)
{
	const AmSettingDef *def = &am_setting_table[id];
	AmSettingValue value;
	const char *wrong = am_setting_parse(def, text, &value);

	if (wrong == NULL)
		wrong = cross_check(id, &value);
	if (wrong != NULL)
		ereport(ERROR, errcode(ERRCODE_AM_SETTING_INVALID),
				errmsg("invalid value for setting \"%s\"", def->name), errhint("%s", wrong));
}

static void
value_store(AmSettingId id, const char *text)
{
	Datum args[3] = {CStringGetTextDatum(am_setting_table[id].name), (Datum) 0, (Datum) 0};

	am_spi_begin();
	if (text == NULL)
		am_spi_run(&reset_plan, args, NULL, 0);
	else
	{
		args[1] = CStringGetTextDatum(text);
		args[2] = TimestampTzGetDatum(am_clock_now());
		am_spi_run(&set_plan, args, NULL, 0);
	}
	am_spi_end();
}

static void
change_audit(const char *name, const char *text)
{
	AmAuditPair pairs[] = {{"name", name}, {"value", text}};
	AmAuditEvent event = {.action = "setting_set", .outcome = "ok"};

	event.detail = am_audit_detail(pairs, lengthof(pairs));
	am_audit_append(&event);
}

/* authmeter.setting_set(name, value) checks, stores and audits; it returns the value in force. */
Datum
authmeter_setting_set(PG_FUNCTION_ARGS)
{
	AmSettingId id;
	char *wanted = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("name of a setting must not be null"),
				errhint("authmeter.setting_list() shows all settings."));
	id = lookup_or_raise(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (am_setting_table[id].type == AM_TYPE_SERVER)
		ereport(ERROR, errcode(ERRCODE_AM_SETTING_FIXED),
				errmsg("setting \"%s\" is a server setting", am_setting_table[id].name),
				errhint("Change it in postgresql.conf or with ALTER SYSTEM."));
	value_check(id, wanted != NULL ? wanted : default_text(id));
	value_store(id, wanted);
	change_audit(am_setting_table[id].name, wanted);
	PG_RETURN_TEXT_P(cstring_to_text(am_setting_text(id)));
}

/* authmeter.setting_get(name) returns the value in force. */
Datum
authmeter_setting_get(PG_FUNCTION_ARGS)
{
	AmSettingId id = lookup_or_raise(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(am_setting_text(id)));
}

static void
list_row(ReturnSetInfo *rsinfo, AmSettingId id)
{
	const AmSettingDef *def = &am_setting_table[id];
	bool ranged = def->type == AM_TYPE_INT || def->type == AM_TYPE_DURATION;
	bool nulls[9] = {false,   false,   false, false, def->development == NULL,
					 !ranged, !ranged, false, false};
	Datum row[9];

	row[0] = CStringGetTextDatum(def->name);
	row[1] = CStringGetTextDatum(am_setting_type_name(def->type));
	row[2] = CStringGetTextDatum(am_setting_text(id));
	row[3] = CStringGetTextDatum(def->dflt);
	row[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(def->development);
	row[5] = Int64GetDatum(def->minimum);
	row[6] = Int64GetDatum(def->maximum);
	row[7] = CStringGetTextDatum(def->type == AM_TYPE_SERVER ? "server"
								 : from_table[id]            ? "table"
															 : "default");
	row[8] = CStringGetTextDatum(def->meaning);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
}

/* authmeter.setting_list() returns every setting, one a row. */
Datum
authmeter_setting_list(PG_FUNCTION_ARGS)
{
	int i;

	am_compat_srf_begin(fcinfo);
	am_cache_ensure(&cache);
	for (i = 0; i < AM_SETTING_COUNT; i++)
		list_row((ReturnSetInfo *) fcinfo->resultinfo, (AmSettingId) i);
	return (Datum) 0;
}

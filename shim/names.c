/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of the fixed vocabulary; see names.h.
 *
 *-------------------------------------------------------------------------
 */
#include "names.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define AM_NAMES_STRING(id, name) name,

static const char *const lane_names[] = {AM_LANES(AM_NAMES_STRING)};
static const char *const vet_names[] = {AM_VET_REASONS(AM_NAMES_STRING)};
static const char *const refusal_names[] = {AM_LANE_REFUSALS(AM_NAMES_STRING)};
static const char *const retry_names[] = {AM_RETRY_CAUSES(AM_NAMES_STRING)};
static const char *const phase_names[] = {AM_PHASES(AM_NAMES_STRING)};
static const char *const limit_names[] = {AM_LIMITS(AM_NAMES_STRING)};

static_assert(AM_VET_COUNT <= AM_REASON_MAX, "AM_REASON_MAX is too small");
static_assert(AM_LANE_REFUSAL_COUNT <= AM_REASON_MAX, "AM_REASON_MAX is too small");
static_assert(AM_RETRY_COUNT <= AM_REASON_MAX, "AM_REASON_MAX is too small");
static_assert(AM_PHASE_COUNT <= AM_REASON_MAX, "AM_REASON_MAX is too small");
static_assert(AM_LIMIT_COUNT <= AM_REASON_MAX, "AM_REASON_MAX is too small");

typedef struct Family
{
	const char *label;
	const char *const *names;
	int count;
} Family;

static const Family families[AM_REASON_KIND_COUNT] = {
	[AM_REASON_NONE] = {"reason", NULL, 0},
	[AM_REASON_VET] = {"reason", vet_names, AM_VET_COUNT},
	[AM_REASON_LANE_REFUSAL] = {"reason", refusal_names, AM_LANE_REFUSAL_COUNT},
	[AM_REASON_RETRY] = {"cause", retry_names, AM_RETRY_COUNT},
	[AM_REASON_PHASE] = {"phase", phase_names, AM_PHASE_COUNT},
	[AM_REASON_LIMIT] = {"limit", limit_names, AM_LIMIT_COUNT},
};

static const Family *
family_of(AmReasonKind kind)
{
	if ((int) kind < 0 || kind >= AM_REASON_KIND_COUNT)
		return &families[AM_REASON_NONE];
	return &families[kind];
}

const char *
am_lane_name(AmLaneId lane)
{
	if ((int) lane < 0 || lane >= AM_LANE_COUNT)
		return "none";
	return lane_names[lane];
}

AmLaneId
am_lane_by_name(const char *name)
{
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
	{
		if (strcmp(lane_names[lane], name) == 0)
			return (AmLaneId) lane;
	}
	return AM_LANE_NONE;
}

int
am_reason_count(AmReasonKind kind)
{
	return family_of(kind)->count;
}

const char *
am_reason_name(AmReasonKind kind, int reason)
{
	const Family *family = family_of(kind);

	if (reason < 0 || reason >= family->count)
		return "none";
	return family->names[reason];
}

const char *
am_reason_label(AmReasonKind kind)
{
	return family_of(kind)->label;
}

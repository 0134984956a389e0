/*-------------------------------------------------------------------------
 *
 * obs.c
 *	  The table of observations and the one function that emits them.
 *
 *-------------------------------------------------------------------------
 */
#include "obs.h"

#include <stddef.h>

/* clang-format off */

#define OBS_ROW(id, event, level, metric, lane, reason, name, help) \
	[AM_OBS_##id] = { \
		event, AM_LEVEL_##level, AM_METRIC_##metric, lane, AM_REASON_##reason, name, help \
	},

static const AmObsRow rows[AM_OBS_COUNT] = {
	AM_OBSERVATIONS(OBS_ROW)
};

/* clang-format on */

AmObservation
am_obs_make(AmObsId id)
{
	AmObservation observation = {
		.id = id,
		.lane = AM_LANE_NONE,
		.reason = -1,
		.count = 1,
		.bytes = -1,
		.total_us = -1,
		.queue_us = -1,
		.database_us = -1,
	};

	return observation;
}

const AmObsRow *
am_obs_row(AmObsId id)
{
	return &rows[id];
}

const char *
am_obs_level_name(AmObsLevel level)
{
	static const char *const names[] = {
		[AM_LEVEL_ERROR] = "error",
		[AM_LEVEL_WARNING] = "warning",
		[AM_LEVEL_INFO] = "info",
		[AM_LEVEL_DEBUG] = "debug",
	};

	return names[level];
}

void
am_obs_init(AmObs *obs)
{
	obs->subscriber_count = 0;
}

bool
am_obs_subscribe(AmObs *obs, AmObsSubscriber call, void *state)
{
	if (obs->subscriber_count >= AM_OBS_SUBSCRIBERS_MAX)
		return false;
	obs->subscriber[obs->subscriber_count].call = call;
	obs->subscriber[obs->subscriber_count].state = state;
	obs->subscriber_count++;
	return true;
}

void
am_obs_emit(const AmObs *obs, const AmObservation *observation)
{
	if (obs == NULL || (int) observation->id < 0 || observation->id >= AM_OBS_COUNT)
		return;
	for (int i = 0; i < obs->subscriber_count; i++)
		obs->subscriber[i].call(obs->subscriber[i].state, observation);
}

void
am_obs_tell(const AmObs *obs, AmObsId id, const char *subject, const char *message)
{
	AmObservation observation = am_obs_make(id);

	observation.subject = subject;
	observation.message = message;
	am_obs_emit(obs, &observation);
}

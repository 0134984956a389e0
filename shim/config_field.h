/*-------------------------------------------------------------------------
 *
 * config_field.h
 *	  Members of AmConfig by their row of the table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CONFIG_FIELD_H
#define AM_SHIM_CONFIG_FIELD_H

#include <stdbool.h>

#include "config.h"
#include "config_table.h"

/* The member that a row describes.  Rows of mounts have none. */
extern void *am_config_field(AmConfig *config, const AmSetting *setting);
extern const void *am_config_field_const(const AmConfig *config, const AmSetting *setting);

/* True for the rows listen and mount, which fill the mounts instead of one member. */
extern bool am_setting_is_mounts(const AmSetting *setting);

/* Replaces a text; the old one is wiped because it may hold a password.  False = out of memory. */
extern bool am_config_set_text(char **field, const char *value);

/* Wipes and frees a text; NULL is harmless. */
extern void am_config_free_text(char *text);

/*
 * Gives next the values of running for every setting that a running shim cannot
 * change, with a warning in next for each that differs.
 */
extern void am_config_keep_fixed(const AmConfig *running, AmConfig *next);

#endif /* AM_SHIM_CONFIG_FIELD_H */

/*-------------------------------------------------------------------------
 *
 * manual_text.h
 *	  Pieces that the three forms of the manual share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_MANUAL_TEXT_H
#define AM_SHIM_MANUAL_TEXT_H

#include "config_table.h"
#include "text.h"

/* Appends the default as people read it: "5000 ms", "65536 bytes (64kB)", "none". */
extern void am_manual_default(const AmSetting *setting, AmText *output);

/* Appends "1 to 64" or "10 to 3600000 ms"; nothing for settings without a range. */
extern void am_manual_range(const AmSetting *setting, AmText *output);

/*
 * Appends the whole paragraph about a setting: meaning, variables, range,
 * whether SIGHUP takes it over, and at last the default.
 */
extern void am_manual_paragraph(const AmSetting *setting, AmText *output);

#endif /* AM_SHIM_MANUAL_TEXT_H */

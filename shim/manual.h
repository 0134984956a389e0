/*-------------------------------------------------------------------------
 *
 * manual.h
 *	  What --help, --man, --version and --settings-markdown print.
 *
 * All of it is made from the settings table and the list of options in
 * config_table.h, so that it cannot fall behind the program.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_MANUAL_H
#define AM_SHIM_MANUAL_H

#include "text.h"

/* Plain text, at most 80 columns. */
extern void am_manual_help(AmText *output);

/* The page authmeter-shim(1) in roff, macro package man(7). */
extern void am_manual_man(AmText *output);

/* docs/shim-settings.md: one table a section. */
extern void am_manual_markdown(AmText *output);

/* "authmeter-shim 1.0" and a newline. */
extern void am_manual_version(AmText *output);

#endif /* AM_SHIM_MANUAL_H */

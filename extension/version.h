/*
 * version.h
 *
 * The version of the library; equal to default_version of the control file (a test says so).
 */
#ifndef AM_VERSION_H
#define AM_VERSION_H

#define AM_VERSION "1.0"

#endif
